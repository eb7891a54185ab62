// Power spectrum of real sound: a complex FFT of half the length, then the split into even and odd parts.

export class PowerSpectrum {
  #n;
  #window;
  #re;
  #im;
  #cos;
  #sin;
  #reversed;

  /** @param {number} size samples, a power of two */
  constructor(size) {
    const half = size / 2, bits = Math.log2(half);
    this.#n = size;
    this.#window = Float32Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos(2 * Math.PI * i / size));
    this.#re = new Float32Array(half);
    this.#im = new Float32Array(half);
    this.#cos = Float32Array.from({ length: half }, (_, i) => Math.cos(2 * Math.PI * i / size));
    this.#sin = Float32Array.from({ length: half }, (_, i) => -Math.sin(2 * Math.PI * i / size));
    this.#reversed = Uint32Array.from({ length: half }, (_, i) => {
      let out = 0;
      for (let b = 0; b < bits; b++) out |= (i >> b & 1) << (bits - 1 - b);
      return out;
    });
    this.power = new Float32Array(half + 1);
  }

  /** Fill `power` from `size` samples that begin at `at` of a ring; a full-scale sine peaks at 1. */
  compute(ring, at) {
    const { length } = ring, mask = length - 1, re = this.#re, im = this.#im, window = this.#window, half = this.#n / 2;
    for (let i = 0; i < half; i++) {
      const to = this.#reversed[i], from = 2 * i;
      re[to] = ring[at + from & mask] * window[from];
      im[to] = ring[at + from + 1 & mask] * window[from + 1];
    }
    this.#transform(half);
    this.#split(half);
  }

  #transform(half) {
    const re = this.#re, im = this.#im, cos = this.#cos, sin = this.#sin;
    for (let span = 1; span < half; span *= 2) {
      const stride = half / span;
      for (let start = 0; start < half; start += 2 * span) {
        for (let k = 0; k < span; k++) {
          const wr = cos[k * stride], wi = sin[k * stride], a = start + k, b = a + span;
          const xr = re[b] * wr - im[b] * wi, xi = re[b] * wi + im[b] * wr;
          re[b] = re[a] - xr; im[b] = im[a] - xi;
          re[a] += xr; im[a] += xi;
        }
      }
    }
  }

  #split(half) {
    const re = this.#re, im = this.#im, power = this.power, scale = (4 / this.#n) ** 2;
    for (let k = 0; k <= half; k++) {
      const a = k % half, b = (half - k) % half;
      const er = (re[a] + re[b]) / 2, ei = (im[a] - im[b]) / 2, or = (im[a] + im[b]) / 2, oi = (re[b] - re[a]) / 2;
      const wr = k === half ? -1 : this.#cos[k], wi = k === half ? 0 : this.#sin[k];
      const xr = er + or * wr - oi * wi, xi = ei + or * wi + oi * wr;
      power[k] = (xr * xr + xi * xi) * scale;
    }
  }
}
