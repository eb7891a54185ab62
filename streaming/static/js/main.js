// The page, put together.

import { showAxis } from "./axis.js";
import { Bar } from "./bar.js";
import { Downloads } from "./downloads.js";
import { listenToKeys } from "./keys.js";
import { Lanes } from "./lanes.js";
import { LatencyBar } from "./latency_bar.js";
import { ListenerLink } from "./listener_link.js";
import { Panel } from "./panel.js";
import { PromptBox } from "./prompt_box.js";
import { showFacts } from "./session_facts.js";
import { showSounds } from "./sounds.js";
import { Studio } from "./studio.js";
import { followTheme } from "./theme.js";

const studio = new Studio();
await studio.startDrawing();
studio.draw({ do: "rate", rate: 48000 });
followTheme(studio);
const lanes = new Lanes(studio), panel = new Panel();
studio.on("clock", ({ pts }) => { lanes.place = pts; });
new Bar(studio);
new PromptBox(studio);
new LatencyBar(studio);
new Downloads(studio);
new ListenerLink(studio);
showSounds(studio);
showFacts(studio);
showAxis();
listenToKeys(studio, panel);
addEventListener("online", () => studio.act("retry"));
await studio.meet();
document.documentElement.dataset.ready = "true";
/** For measurements and tests: what the page holds. */
globalThis.winnow = studio;
