// The bar at the top: source, input level, transport, status, and the notice under it.

import { $, clock, el, say, segmented } from "./dom.js";

const SOURCES = [["mic", "Microphone", "mic"], ["tab", "Tab audio", "tab"], ["file", "File", "file"], ["demo", "Demo scene", "demo"]];
const ACTS = { retry: "Try now", again: "Try again", demo: "Play the demo scene", reload: "Try again", key: "Connect" };
const LOWEST_DB = -60, HOLD_MS = 1500, RUNNING = new Set(["live", "late"]);

export class Bar {
  #studio;
  #meter = $("#meter");
  #level = $(".track i", $("#meter"));
  #peak = $(".track b", $("#meter"));
  #held = { db: -Infinity, at: 0 };
  #toldAt = 0;
  #countdown = 0;
  #begin = null;
  #was = "idle";

  constructor(studio) {
    this.#studio = studio;
    segmented($("#source"), "source", SOURCES, null, kind => kind === "file" ? $("#file").click() : studio.choose(kind));
    // Choosing what is chosen already asks for it again: another file, another tab.
    $("#source").addEventListener("click", ({ target }) => { if (target.value === "file") $("#file").click(); });
    $("#file").addEventListener("click", event => event.stopPropagation());
    $("#file").addEventListener("change", ({ target }) => { if (target.files[0]) studio.choose("file", target.files[0]); target.value = ""; });
    $("#file").addEventListener("cancel", () => this.#picked());
    this.#transport();
    studio.on("state", detail => this.#state(detail));
    studio.on("strips", () => this.#hearing());
    studio.on("levels", ({ levels }) => this.#levels(levels.input ?? -Infinity));
    studio.on("take", () => { this.#begin = null; });
    studio.on("clock", ({ pts }) => this.#clock(pts));
    $("#key-form").addEventListener("submit", event => { event.preventDefault(); studio.act("key", $("#key").value); });
    this.#hearing();
  }

  #transport() {
    const studio = this.#studio, ab = $("#ab");
    $("#play").addEventListener("click", () => studio.togglePlay());
    ab.addEventListener("pointerdown", event => { ab.setPointerCapture(event.pointerId); studio.hold(true); });
    for (const type of ["pointerup", "pointercancel", "blur"]) ab.addEventListener(type, () => studio.hold(false));
    ab.addEventListener("keydown", event => { if ((event.key === " " || event.key === "Enter") && !event.repeat) { event.preventDefault(); studio.hold(true); } });
    ab.addEventListener("keyup", () => studio.hold(false));
    ab.addEventListener("contextmenu", event => event.preventDefault());
    addEventListener("blur", () => studio.hold(false));
  }

  // --- state ------------------------------------------------------------------------------------------------

  #state({ state, ...detail }) {
    const { traits, source } = this.#studio, status = $("#status"), words = traits.text?.(detail) ?? "";
    status.dataset.kind = traits.kind ?? "";
    status.dataset.state = state;
    status.lastElementChild.textContent = traits.label;
    // Live and late take turns on a busy machine: the eye may follow that, the ear need not.
    if (!(RUNNING.has(state) && RUNNING.has(this.#was))) say([traits.label, words].filter(Boolean).join(". "));
    this.#was = state;
    const playing = !!source && !traits.still, play = $("#play");
    $("use", play).setAttribute("href", playing ? "#i-pause" : "#i-play");
    play.lastElementChild.textContent = playing ? "Pause" : "Play";
    this.#picked(detail.source);
    this.#notice(traits, words, detail);
    this.#hearing();
    if (traits.still && !source) { this.#levels(-Infinity); $("#clock").textContent = "00:00.0"; }
  }

  #picked(kind = this.#studio.source?.kind) {
    for (const input of $("#source").querySelectorAll("input")) input.checked = input.value === kind;
  }

  #notice(traits, words, { wait_s: wait }) {
    $("#notice").hidden = !words;
    $("#notice-text").textContent = words;
    $("#key-form").hidden = !traits.acts?.includes("key");
    $("#notice-acts").replaceChildren(...(traits.acts ?? []).map(name => el("button", { class: "btn", type: "button", "data-act": name, onclick: () => this.#studio.act(name, $("#key").value) }, ACTS[name])));
    clearInterval(this.#countdown);
    $("#notice-count").textContent = "";
    if (wait === undefined) return;
    const until = performance.now() + 1000 * wait;
    const count = () => { const left = Math.ceil((until - performance.now()) / 1000); $("#notice-count").textContent = left > 0 ? `Trying again in ${left} s` : "Trying"; };
    count();
    this.#countdown = setInterval(count, 250);
  }

  #hearing() {
    const { routing, traits, source, state } = this.#studio, box = $("#hearing");
    $("#ab").setAttribute("aria-pressed", this.#studio.ab);
    if (!source) return box.replaceChildren();
    if (traits.silent && !routing.words.length) return box.replaceChildren(state === "listening" ? "Name a sound to hear it" : "Silent until connected");
    box.replaceChildren("You hear ", el("b", {}, routing.words.length > 3 ? `${routing.words.length} of the lanes` : routing.words.join(" + ") || "nothing"));
  }

  // --- level and clock --------------------------------------------------------------------------------------

  #levels(db) {
    const share = Math.max(0, Math.min(1, 1 - db / LOWEST_DB)), now = performance.now();
    this.#level.style.transform = `scaleX(${share.toFixed(3)})`;
    if (db > this.#held.db || now - this.#held.at > HOLD_MS) this.#held = { db, at: now };
    this.#peak.style.left = `calc(${(100 * Math.max(0, Math.min(1, 1 - this.#held.db / LOWEST_DB))).toFixed(1)}% - 2px)`;
    if (now - this.#toldAt < 250 && db > -Infinity) return;
    this.#toldAt = now;
    const text = !this.#studio.source ? "–" : db < LOWEST_DB ? "silent" : `−${Math.abs(Math.round(db))} dB`;
    this.#meter.lastElementChild.textContent = text;
    this.#meter.setAttribute("aria-valuenow", Math.max(LOWEST_DB, Math.min(0, Math.round(Number.isFinite(db) ? db : LOWEST_DB))));
    this.#meter.setAttribute("aria-valuetext", text === "–" ? "no input" : text);
    this.#meter.classList.toggle("clip", db > -1);
  }

  #clock(pts) {
    const { rate } = this.#studio.graph, text = clock(Math.max(0, pts) / rate);
    if ($("#clock").textContent !== text) $("#clock").textContent = text;
  }
}
