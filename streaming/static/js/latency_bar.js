// The latency bar: one segment for each stage, as long as it takes.

import { $, el, segmented } from "./dom.js";
import { Latency, STAGES } from "./latency.js";

const SCALES = [60, 120, 240, 480, 960], MARK_MS = 100, OWN = new Set(["queue", "model", "stitch", "send", "window"]);

export class LatencyBar {
  latency = new Latency();
  #part = "p50";
  #bars = new Map();
  #studio;
  #other = el("span", { class: "tickm other" });
  #mark = el("span", { class: "tickm budget" }, `${MARK_MS} ms`);
  #tail = $("#late");

  constructor(studio) {
    this.#studio = studio;
    segmented($("#pct"), "pct", [["p50", "p50"], ["p95", "p95"]], "p50", value => { this.#part = value; this.show(); });
    for (const [name, title, own] of STAGES) this.#bars.set(name, this.#stage(title, own));
    $("#rail").append(this.#other, this.#mark);
    studio.on("clock", report => this.latency.clock(report, performance.now()));
    studio.on("stats", message => this.latency.stats(message));
    studio.on("measured", ({ roundTrip }) => this.latency.trip(roundTrip));
    studio.on("state", () => this.#state());
    setInterval(() => { if (studio.started && studio.graph.running) this.show(); }, 250);
    this.show();
  }

  #stage(title, own) {
    const bar = el("li", { class: own ? "eng" : "", title }), value = el("dd", {}, "–"), name = el("dt", {}, title);
    const entry = el("div", { class: own ? "eng" : "" }, name, value);
    $("ol", $("#rail")).append(bar);
    $("#stages").append(entry);
    entry.addEventListener("pointerenter", () => bar.classList.add("at"));
    entry.addEventListener("pointerleave", () => bar.classList.remove("at"));
    return { bar, value, name };
  }

  #state() {
    const { state, started, source, graph } = this.#studio;
    if (started && this.#begun !== started) {
      this.latency.begin(started, started.audio.sample_rate);
      this.latency.input = source.latencyMs;
    }
    this.#begun = started;
    if (!started) this.latency.stop();
    $("#lat").classList.toggle("stale", !["live", "late"].includes(state) || !graph.running);
    this.show();
  }

  #begun = null;

  show() {
    const { latency } = this, slowest = this.#studio.state === "late";
    if (this.#studio.graph.context) latency.output = this.#studio.graph.outputLatencyMs;
    const { total, stages } = latency.at(this.#part), other = latency.at(this.#part === "p50" ? "p95" : "p50").total;
    const scale = SCALES.find(most => Math.max(total ?? 0, other ?? 0) * 1.12 < most) ?? SCALES.at(-1);
    const hot = slowest ? [...OWN].filter(name => name !== "window" && stages[name] !== null).sort((a, b) => stages[b] - stages[a])[0] : null;
    for (const [name, { bar, value, name: label }] of this.#bars) {
      const ms = stages[name];
      bar.hidden = ms === null;
      bar.style.setProperty("--w", ms === null ? 0 : 100 * ms / scale);
      value.textContent = ms === null ? "–" : ms.toFixed(1);
      label.classList.toggle("hot", name === hot);
    }
    $("#tot").textContent = total === null ? "–" : total.toFixed(0);
    this.#marks(total, other, scale);
    this.#late();
  }

  #marks(total, other, scale) {
    const place = (mark, ms) => {
      mark.hidden = ms === null || ms > scale;
      mark.style.left = `${100 * Math.min(1, (ms ?? 0) / scale)}%`;
      mark.classList.toggle("flip", (ms ?? 0) / scale > 0.9);
    };
    place(this.#other, other !== null && Math.abs(other - total) >= 1 ? other : null);
    this.#other.textContent = `${this.#part === "p50" ? "p95" : "p50"} ${other?.toFixed(0)}`;
    place(this.#mark, other !== null && Math.abs(other - MARK_MS) < 9 ? null : Math.min(MARK_MS, scale) === MARK_MS ? MARK_MS : null);
    $("#lat").classList.toggle("over", (total ?? 0) > MARK_MS);
  }

  #late() {
    const { hops, playout, dropped } = this.latency.late, parts = [];
    if (hops !== null) parts.push(`${hops} late hop${hops === 1 ? "" : "s"}`);
    if (dropped) parts.push(`${dropped} dropped`);
    if (playout) parts.push(`${playout} missed`);
    if (this.#studio.started && this.latency.output === null) parts.push("output device not told");
    if (this.#studio.started && this.latency.input === null) parts.push("input device not told");
    this.#tail.textContent = this.#tail.title = parts.join(", ");
  }
}
