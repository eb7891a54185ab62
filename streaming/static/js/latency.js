// Where the time goes, from the microphone to the ear, out of what was measured and nothing else.
//
// The whole is measured on one clock: the player runs `delay` frames behind the capture. Its parts are
//   Capture   the device, as the browser tells it, and the wait of a hop's last sample for the end of its chunk
//   Window    the sound the model must hear before it can answer (from `started`)
//   Network   round trip of a hop less what the server says of itself
//   Queue, Model, Stitch, Send   the server's `stats`
//   Play-out  what is left of the whole: the wait in the player
//   Device    the output, as the browser tells it
// A part that nobody tells is null, and shown as a dash.

import { percentile } from "./percentile.js";

export const STAGES = [
  ["capture", "Capture"], ["window", "Window", true], ["network", "Network"], ["queue", "Queue", true], ["model", "Model", true],
  ["stitch", "Stitch", true], ["send", "Send", true], ["playout", "Play-out"], ["device", "Device"],
];

const KEEP_MS = 5000;

export class Latency {
  #delays = [];
  #stats = null;
  #trip = null;
  #window = null;
  #rate = 48000;
  /** What the devices add, in ms; null where the browser does not say. */
  input = null;
  output = null;
  late = { hops: null, playout: null, dropped: null };

  begin(started, rate) {
    this.#window = 1000 * started.latency.samples / rate;
    this.#rate = rate;
    this.#delays = [];
    this.#stats = this.#trip = null;
  }

  stop() { this.#window = this.#stats = this.#trip = null; this.#delays = []; }

  clock({ delay, late }, now) {
    this.late.playout = late;
    this.#delays.push({ at: now, ms: 1000 * delay / this.#rate });
    while (this.#delays[0].at < now - KEEP_MS) this.#delays.shift();
  }

  stats(message) {
    this.#stats = message;
    this.late.hops = message.late_hops;
    this.late.dropped = message.dropped_frames;
  }

  trip(roundTrip) { this.#trip = roundTrip; }

  /** @param {"p50"|"p95"} part @returns {{total: number|null, stages: Record<string, number|null>}} ms */
  at(part) {
    const stages = Object.fromEntries(STAGES.map(([name]) => [name, null]));
    if (this.#window === null || !this.#trip || !this.#delays.length) return { total: null, stages };
    const delay = percentile(this.#delays.map(({ ms }) => ms), part === "p50" ? 0.5 : 0.95), server = this.#stats?.stages_ms;
    stages.window = this.#window;
    stages.capture = this.#trip.cut[part] + (this.input ?? 0);
    stages.device = this.output;
    const total = delay + (this.input ?? 0) + (this.output ?? 0);
    if (server) {
      for (const name of ["queue", "model", "stitch", "send"]) stages[name] = server[name][part];
      stages.network = Math.max(0, this.#trip.trip[part] - stages.queue - stages.model - stages.stitch - stages.send);
      const known = Object.values(stages).reduce((sum, ms) => sum + (ms ?? 0), 0);
      stages.playout = Math.max(0, total - known);
    }
    return { total, stages };
  }
}
