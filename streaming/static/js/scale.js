// The vertical scale of every spectrogram: 128 rows, evenly spaced in pitch.

export const ROWS = 128, LOWEST_HZ = 60, HIGHEST_HZ = 12000;
export const COLUMNS_PER_S = 100, SPAN_S = 12;

const DARKEST_DB = -76, BRIGHTEST_DB = -14, TILT_DB_PER_OCTAVE = 1.5;

export const hzOfRow = row => LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ) ** (row / (ROWS - 1));

/** Height of a frequency as a share of the lane, 0 at the bottom. */
export const heightOf = hz => Math.log(hz / LOWEST_HZ) / Math.log(HIGHEST_HZ / LOWEST_HZ);

/** How the bins of an FFT fall into the rows. */
export class RowScale {
  #low;
  #high;
  #tilt;

  constructor(size, rate) {
    const bin = hz => Math.min(size / 2 - 1, hz * size / rate);
    this.#low = Float32Array.from({ length: ROWS }, (_, r) => bin(hzOfRow(r - 0.5)));
    this.#high = Float32Array.from({ length: ROWS }, (_, r) => bin(hzOfRow(r + 0.5)));
    // Natural sound falls with pitch: without a tilt the upper half of every lane would stay dark.
    this.#tilt = Float32Array.from({ length: ROWS }, (_, r) => TILT_DB_PER_OCTAVE * Math.max(0, Math.log2(hzOfRow(r) / 500)));
  }

  /** `power` of the bins → a byte for each row from `at` on. */
  rows(power, out, at) {
    for (let r = 0; r < ROWS; r++) {
      const low = this.#low[r], high = this.#high[r];
      let value = 0;
      if (high - low < 1.5) {
        // Narrower than a bin: between its neighbours.
        const middle = (low + high) / 2, k = Math.floor(middle), part = middle - k;
        value = power[k] * (1 - part) + power[k + 1] * part;
      } else for (let k = Math.floor(low); k <= high; k++) if (power[k] > value) value = power[k];
      const db = 4.342945 * Math.log(value + 1e-12) + this.#tilt[r];
      out[at + r] = Math.max(0, Math.min(255, 255 * (db - DARKEST_DB) / (BRIGHTEST_DB - DARKEST_DB)));
    }
  }
}
