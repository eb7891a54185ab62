// What one track has given in this take: gapless on the take's clock, bounded, and never all of it in the heap.

import { frameBytes } from "./wire.js";
import { wavFile } from "./wav.js";

const PARTS_PER_BLOB = 500, SILENT_PIECE = 48000;

export class Recording {
  #loose = [];
  #blobs = [];
  #format;
  #limit;

  /** @param {number} limit samples; the oldest go first */
  constructor(format, limit) {
    this.#format = format;
    this.#limit = limit;
    this.start = null;
    this.end = null;
    this.silenced = 0;
  }

  get count() { return this.start === null ? 0 : this.end - this.start; }

  /** Take a payload; what is known already is left out, what is missing before it is silence until it comes. */
  add(pts, payload) {
    const width = frameBytes(this.#format);
    this.start ??= pts;
    this.end ??= pts;
    if (pts > this.end) {
      this.silenced += pts - this.end;
      for (; this.end < pts; this.end += Math.min(SILENT_PIECE, pts - this.end)) {
        this.#push(new ArrayBuffer(Math.min(SILENT_PIECE, pts - this.end) * width));
      }
    }
    const known = (this.end - pts) * width;
    if (known >= payload.byteLength) return;
    this.#push(known ? payload.slice(known) : payload);
    this.end = pts + payload.byteLength / width;
    this.#forget();
  }

  #push(buffer) {
    this.#loose.push(buffer);
    if (this.#loose.length < PARTS_PER_BLOB) return;
    // The browser may keep a Blob on disk; an ArrayBuffer it may not.
    this.#blobs.push(new Blob(this.#loose));
    this.#loose = [];
  }

  #forget() {
    while (this.count > this.#limit && this.#blobs.length) this.start += this.#blobs.shift().size / frameBytes(this.#format);
  }

  /** @param {number} origin pts at which the take began */
  file(origin, description) {
    const width = frameBytes(this.#format);
    return wavFile([...this.#blobs, ...this.#loose], this.count * width, this.#format, Math.max(0, (this.start ?? origin) - origin), description);
  }
}
