// One lane's sound and its columns: a ring of samples, and from them a ring of spectra, levels and gaps.

import { PowerSpectrum } from "./fft.js";
import { COLUMNS_PER_S, ROWS, RowScale } from "./scale.js";

export const COLUMNS = 2048;
const SAMPLES = 2 ** 17;

const shared = new Map();

/** FFT and rows are the same for all lanes of one rate. */
function analysis(rate) {
  if (!shared.has(rate)) {
    const size = 2 ** Math.round(Math.log2(rate * 0.043));
    shared.set(rate, { size, spectrum: new PowerSpectrum(size), rows: new RowScale(size, rate) });
  }
  return shared.get(rate);
}

export class LaneColumns {
  #ring = new Float32Array(SAMPLES);
  #rate;
  #analysis;

  constructor(rate) {
    this.#rate = rate;
    this.#analysis = analysis(rate);
    this.bytes = new Uint8Array(COLUMNS * ROWS);
    this.level = new Float32Array(COLUMNS).fill(-Infinity);
    this.missing = new Uint8Array(COLUMNS);
    this.begin = this.end = null;
    /** Columns that are ready: [first, done). */
    this.first = this.done = null;
  }

  #at(column) { return Math.round(column * this.#rate / COLUMNS_PER_S); }

  /** @param {Float32Array} planar channels · n; drawn as their mean */
  add(pts, planar, channels) {
    const count = planar.length / channels;
    if (this.end === null || pts < this.begin) this.#restart(pts);
    if (pts > this.end) this.#gap(pts);
    for (let i = Math.max(0, this.end - pts); i < count; i++) {
      let value = planar[i];
      for (let c = 1; c < channels; c++) value += planar[c * count + i];
      this.#ring[pts + i & SAMPLES - 1] = value / channels;
    }
    this.end = Math.max(this.end, pts + count);
    this.begin = Math.max(this.begin, this.end - SAMPLES);
    this.#analyse();
  }

  #restart(pts) {
    this.begin = this.end = pts;
    this.first = this.done = Math.ceil(pts * COLUMNS_PER_S / this.#rate);
  }

  #gap(pts) {
    for (let at = Math.max(this.end, pts - SAMPLES); at < pts; at++) this.#ring[at & SAMPLES - 1] = 0;
    const column = Math.floor(pts * COLUMNS_PER_S / this.#rate);
    for (let n = Math.max(this.done, column - COLUMNS); n < column; n++) this.#mark(n);
    this.done = Math.max(this.done, column);
    this.end = pts;
    this.begin = Math.max(this.begin, this.end - SAMPLES);
  }

  #mark(n) {
    const x = n % COLUMNS;
    this.missing[x] = 1;
    this.level[x] = -Infinity;
    this.bytes.fill(0, x * ROWS, (x + 1) * ROWS);
  }

  #analyse() {
    const { size, spectrum, rows } = this.#analysis;
    for (; this.#at(this.done) + size / 2 <= this.end; this.done++) {
      const x = this.done % COLUMNS, centre = this.#at(this.done);
      // Before the lane's first sample there is whatever the ring held: it counts as silence.
      if (centre - size / 2 < this.begin) { this.#mark(this.done); this.missing[x] = 0; continue; }
      spectrum.compute(this.#ring, centre - size / 2);
      rows.rows(spectrum.power, this.bytes, x * ROWS);
      this.level[x] = this.#loudness(centre, this.#at(this.done + 1));
      this.missing[x] = 0;
    }
  }

  /** dB of full scale, root mean square. */
  #loudness(from, to) {
    let sum = 0;
    for (let at = from; at < to; at++) sum += this.#ring[at & SAMPLES - 1] ** 2;
    return 4.342945 * Math.log(sum / (to - from) + 1e-12);
  }
}
