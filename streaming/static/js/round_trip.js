// How long the way to the server and back takes, measured on every hop that returns.
//
// The hop that covers samples [p, p + hop) is complete for the server with sample p + latency. So its round trip runs
// from the sending of the chunk with that sample to the arrival of the hop; and between that sample and the end of its
// chunk it had to wait for us.

import { percentile } from "./percentile.js";

const WINDOW_MS = 3000, CHUNKS = 400;

export class RoundTrip {
  #sent = [];
  #trips = [];
  #seen = -Infinity;
  #latency = 0;
  #rate = 48000;
  #from = -Infinity;

  /**
   * @param {number} latency samples that the server needs beyond a hop's first one
   * @param {number} rate Hz
   * @param {number} from hops before this pts are a replay and tell nothing of the way
   */
  begin(latency, rate, from) {
    this.#latency = latency;
    this.#rate = rate;
    this.#from = from;
    this.#trips = [];
  }

  sent(end, nowMs) {
    this.#sent.push({ end, at: nowMs });
    if (this.#sent.length > CHUNKS) this.#sent.splice(0, CHUNKS / 2);
  }

  arrived(pts, nowMs) {
    if (pts <= this.#seen || pts < this.#from) return;
    this.#seen = pts;
    const needed = pts + this.#latency, chunk = this.#sent.find(sent => sent.end >= needed);
    if (!chunk) return;
    this.#trips.push({ at: nowMs, trip: nowMs - chunk.at, cut: 1000 * (chunk.end - needed) / this.#rate });
    while (this.#trips.length && this.#trips[0].at < nowMs - WINDOW_MS) this.#trips.shift();
  }

  /** Percentiles of the last seconds in ms, or null where nothing came. */
  summary(nowMs) {
    const trips = this.#trips.filter(trip => trip.at >= nowMs - WINDOW_MS);
    if (!trips.length) return null;
    const of = key => ({ p50: percentile(trips.map(t => t[key]), 0.5), p95: percentile(trips.map(t => t[key]), 0.95) });
    return { hops: trips.length, trip: of("trip"), cut: of("cut") };
  }

  reset() { this.#sent = []; this.#trips = []; this.#seen = -Infinity; }
}
