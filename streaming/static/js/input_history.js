// The last seconds of what was captured, so that a connection that comes back can fill the gap.

export class InputHistory {
  #chunks = [];
  #keep;

  /** @param {number} keep samples */
  constructor(keep) { this.#keep = keep; }

  /** Index after the newest sample, or null before the first. */
  get end() { return this.#chunks.length ? this.#chunks.at(-1).end : null; }

  get begin() { return this.#chunks.length ? this.#chunks[0].pts : null; }

  add(pts, samples, channels) {
    this.#chunks.push({ pts, end: pts + samples.length / channels, samples });
    while (this.#chunks.length > 1 && this.#chunks[0].end < this.end - this.#keep) this.#chunks.shift();
  }

  /** Chunks from `pts` on; the first one may be cut to begin there. */
  *since(pts, channels) {
    for (const chunk of [...this.#chunks]) {
      if (chunk.end <= pts) continue;
      if (chunk.pts >= pts) yield chunk;
      else yield { pts, end: chunk.end, samples: cutFront(chunk.samples, channels, pts - chunk.pts) };
    }
  }

  clear() { this.#chunks = []; }
}

function cutFront(planar, channels, count) {
  const length = planar.length / channels, kept = new Float32Array((length - count) * channels);
  for (let c = 0; c < channels; c++) kept.set(planar.subarray(c * length + count, (c + 1) * length), c * (length - count));
  return kept;
}
