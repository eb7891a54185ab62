// The worker that draws; `spectrograms.js` says what.

import { Spectrograms } from "./spectrograms.js";

const spectrograms = new Spectrograms(message => postMessage(message), (width, height) => new OffscreenCanvas(width, height));
const next = globalThis.requestAnimationFrame ?? (callback => setTimeout(() => callback(performance.now()), 16));

onmessage = ({ data }) => {
  if (data.do !== "ports") return spectrograms.handle(data);
  for (const port of data.ports) port.onmessage = ({ data: heard }) => {
    if (heard.clock) spectrograms.clock(heard);
    else spectrograms.sound(heard.track ? heard : { ...heard, track: "input" });
  };
};

function loop(now) {
  spectrograms.frame(now);
  next(loop);
}
next(loop);
