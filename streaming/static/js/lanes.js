// The lanes: for every strip a head with its mixer, a ruler, and the canvas that the drawing owns.

import { $, decibels, el, icon, lessMotion } from "./dom.js";
import { heightOf } from "./scale.js";

const KEY = { input: "A", residual: "R" }, SUB = { input: "tinted by what is taken", residual: "input minus the targets" };
const LOWEST_DB = -60, SHARPEST = 2;

export class Lanes {
  #studio;
  #lanes = new Map();
  #root = $("#lanes");
  #seen = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) this.#studio.draw({ do: "visible", id: target.dataset.id, visible: isIntersecting });
  });

  constructor(studio) {
    this.#studio = studio;
    studio.on("strips", ({ list }) => { if (list) this.#list(); this.#mix(); });
    studio.on("state", () => { this.#mix(); this.#empty(); this.tick(); });
    studio.on("levels", ({ levels }) => this.#levels(levels));
    studio.on("take", () => this.#note());
    this.#list();
    this.#mix();
    this.#empty();
    setInterval(() => this.tick(), 250);
    lessMotion.addEventListener("change", () => studio.draw({ do: "still", still: lessMotion.matches }));
    studio.draw({ do: "still", still: lessMotion.matches });
    document.addEventListener("visibilitychange", () => studio.draw({ do: "hidden", hidden: document.hidden }));
  }

  #list() {
    const { all } = this.#studio.strips;
    for (const [id, lane] of this.#lanes) if (!all.some(strip => strip.id === id)) this.#drop(id, lane);
    for (const strip of all) if (!this.#lanes.has(strip.id)) this.#lanes.set(strip.id, this.#make(strip));
    const axis = $("#axis");
    for (const { id } of all) if (this.#lanes.get(id).node.nextSibling !== axis) this.#root.insertBefore(this.#lanes.get(id).node, axis);
    this.#studio.strips.targets.forEach(({ id }, at) => { this.#lanes.get(id).key.textContent = at + 1; });
  }

  #drop(id, lane) {
    lane.sizes.disconnect();
    this.#seen.unobserve(lane.canvas);
    lane.node.remove();
    this.#lanes.delete(id);
    this.#studio.draw({ do: "remove", id });
  }

  #make(strip) {
    const { id, kind, name, slot } = strip, studio = this.#studio;
    const lane = { strip, key: el("kbd", { "aria-hidden": "true" }, KEY[kind] ?? ""), sub: el("div", { class: "sub" }, SUB[kind] ?? ""), level: el("i") };
    lane.canvas = el("canvas", { role: "img", "aria-label": `Spectrogram of ${name}`, "data-id": id });
    lane.view = el("div", { class: "view" }, lane.canvas);
    const ear = el("span", { class: "ear", title: "You hear this" }, icon("ear"), el("span", { class: "sr" }, "audible"));
    const head = el("div", { class: "head", role: "group", "aria-label": name },
      el("div", { class: "name" }, lane.key, el("b", { title: name }, name), ear), lane.sub,
      kind === "input" ? this.#tint() : this.#mixer(lane), el("div", { class: "lvl", "aria-hidden": "true" }, lane.level));
    const colour = kind === "target" ? { "--c": `var(--t${slot + 1})` } : { "--c": "var(--text-2)", "--on-c": "var(--bg)" };
    lane.node = el("div", { class: `lane ${kind}`, css: colour, "data-lane": id }, head, ruler(), lane.view);
    this.#hand(lane, studio);
    return lane;
  }

  /** The canvas goes to the drawing, and every change of its size. */
  #hand(lane, studio) {
    const { strip, canvas, view } = lane, surface = studio.control(canvas);
    studio.draw({ do: "add", id: strip.id, kind: strip.kind, slot: strip.slot, canvas: surface }, surface === canvas ? [] : [surface]);
    const size = () => {
      const ratio = Math.min(SHARPEST, devicePixelRatio || 1), width = Math.round(view.clientWidth * ratio), height = Math.round(view.clientHeight * ratio);
      if (width && height) studio.draw({ do: "size", id: strip.id, width, height, ratio });
    };
    lane.sizes = new ResizeObserver(size);
    lane.sizes.observe(view);
    this.#seen.observe(canvas);
  }

  #mixer(lane) {
    const { strip } = lane, { strips } = this.#studio;
    lane.solo = el("button", { class: "sm solo", type: "button", "aria-pressed": "false", "aria-label": `Solo ${strip.name}`, title: "Solo", onclick: () => strips.solo(strip.id) }, "S");
    lane.mute = el("button", { class: "sm mute", type: "button", "aria-pressed": "false", "aria-label": `Mute ${strip.name}`, title: "Mute", onclick: () => strips.mute(strip.id) }, "M");
    const out = el("output", {}, "0.0 dB");
    const range = el("input", { type: "range", min: -24, max: 12, step: 0.5, value: 0, "aria-label": `Gain ${strip.name}`, "aria-valuetext": "0.0 decibels", title: "Gain; double click for 0 dB" });
    const moved = () => {
      const gain = Number(range.value);
      out.textContent = `${decibels(gain)} dB`;
      range.setAttribute("aria-valuetext", `${decibels(gain)} decibels`);
      strips.set(strip.id, { gain });
    };
    range.addEventListener("input", moved);
    range.addEventListener("dblclick", () => { range.value = 0; moved(); });
    return el("div", { class: "mix" }, lane.solo, lane.mute, range, out);
  }

  #tint() {
    const box = el("input", { type: "checkbox", checked: true, onchange: () => this.#studio.draw({ do: "tint", tint: box.checked }) });
    return el("label", { class: "tick mix" }, box, "Tint by target");
  }

  #mix() {
    const { audible } = this.#studio.routing, { ab, strips, traits } = this.#studio, soloed = strips.all.some(({ solo }) => solo);
    for (const [id, { strip, node, solo, mute }] of this.#lanes) {
      const off = ab || traits.pass ? strip.kind !== "input" : soloed ? !strip.solo && strip.kind !== "input" : strip.kind === "target" && strip.muted;
      node.classList.toggle("audible", audible.has(id));
      node.classList.toggle("off", off);
      solo?.setAttribute("aria-pressed", strip.solo);
      mute?.setAttribute("aria-pressed", strip.muted);
    }
  }

  #empty() {
    const { view } = this.#lanes.get("input"), { empty } = this.#studio.traits;
    $(".empty", view)?.remove();
    if (empty && !this.#studio.source) view.append(el("p", { class: "empty" }, empty));
  }

  #note() { this.#lanes.get("input").sub.textContent = this.#studio.source.note; }

  #levels(levels) {
    for (const [id, { level }] of this.#lanes) {
      const db = levels[id] ?? -Infinity;
      level.style.transform = `scaleX(${Math.max(0, Math.min(1, 1 - db / LOWEST_DB)).toFixed(3)})`;
    }
  }

  /** What a target has done lately, four times a second at most. */
  tick() {
    const studio = this.#studio, { place } = this;
    for (const { strip, sub } of this.#lanes.values()) if (strip.kind === "target") {
      const text = !studio.started ? studio.traits.gap && studio.source ? "waiting" : "no sound yet" : quiet(strip.sounding, place, studio.started.audio.sample_rate);
      if (sub.textContent !== text) sub.textContent = text;
    }
  }

  /** The sample that plays now; the clock tells it. */
  place = 0;
}

function quiet(sounding, place, rate) {
  if (!sounding) return "not heard yet";
  if (sounding.state === "start") return "sounding now";
  const seconds = Math.floor((place - sounding.at) / rate);
  return seconds < 1 ? "quiet" : `quiet for ${seconds} s`;
}

const ruler = () => el("div", { class: "ruler", "aria-hidden": "true" },
  ...[[125, "125"], [1000, "1k"], [8000, "8k"]].map(([hz, text]) => el("span", { css: { bottom: `${100 * heightOf(hz)}%` } }, text)));
