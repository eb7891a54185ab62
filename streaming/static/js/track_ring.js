// The newest samples of one track, by their index on the input's clock. What was never written, or is too old, is zero.

export class TrackRing {
  #data;
  #size;
  #mask;
  #begin = 0;
  #end = 0;

  /** @param {number} size samples of each channel, a power of two */
  constructor(channels, size) {
    this.#data = Array.from({ length: channels }, () => new Float32Array(size));
    this.#size = size;
    this.#mask = size - 1;
  }

  get end() { return this.#end; }

  /** @param {Float32Array} planar channels · n */
  write(pts, planar) {
    const channels = this.#data.length, count = planar.length / channels;
    if (pts > this.#end || pts < this.#begin) this.#skip(pts);
    for (let c = 0; c < channels; c++) {
      const data = this.#data[c], at = pts & this.#mask, first = Math.min(count, this.#size - at), from = c * count;
      data.set(planar.subarray(from, from + first), at);
      if (first < count) data.set(planar.subarray(from + first, from + count), 0);
    }
    this.#end = Math.max(this.#end, pts + count);
    this.#begin = Math.max(this.#begin, this.#end - this.#size);
  }

  /** A gap: what lies in it is silence. */
  #skip(pts) {
    if (pts < this.#begin || pts - this.#end >= this.#size || this.#end === 0) {
      for (const data of this.#data) data.fill(0);
      this.#begin = this.#end = pts;
      return;
    }
    for (const data of this.#data) for (let at = this.#end; at < pts; at++) data[at & this.#mask] = 0;
    this.#end = pts;
  }

  has(pts, count) { return pts >= this.#begin && pts + count <= this.#end; }

  read(channel, pts) { return pts >= this.#begin && pts < this.#end ? this.#data[channel][pts & this.#mask] : 0; }
}
