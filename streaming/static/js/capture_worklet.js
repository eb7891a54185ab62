// Sound in: quanta of 128 samples become chunks of one hop, each with the index of its first sample.
//
// Chunks end where the server's hops become complete (`phase`): a chunk that ended a little later would hold every hop
// up, for nothing.

class Capture extends AudioWorkletProcessor {
  #channels;
  #hop;
  #phase = 0;
  #buffer;
  #filled = 0;
  #size;
  #pts = 0;
  #armed = false;
  #outlets = [];

  constructor({ processorOptions }) {
    super();
    this.#channels = processorOptions.channels;
    this.#hop = processorOptions.hop;
    this.#pts = processorOptions.pts ?? 0;
    this.#open();
    this.port.onmessage = ({ data }) => {
      if (data.outlets) this.#outlets = data.outlets;
      if (data.phase !== undefined) this.#phase = data.phase;
      if (data.armed !== undefined) this.#arm(data.armed);
    };
  }

  #arm(on) {
    if (this.#armed && !on) this.#giveRest();
    this.#armed = on;
    this.port.postMessage({ pts: this.#pts, armed: on });
  }

  /** The source is over: what has come of the last chunk. */
  #giveRest() {
    const count = this.#filled, whole = this.#size;
    if (!count) return;
    const rest = new Float32Array(count * this.#channels);
    for (let c = 0; c < this.#channels; c++) rest.set(this.#buffer.subarray(c * whole, c * whole + count), c * count);
    this.#buffer = rest;
    this.#size = count;
    this.#give(currentFrame - count);
  }

  /** A new chunk: up to the next place where a hop becomes complete. */
  #open() {
    const past = (((this.#pts - this.#phase) % this.#hop) + this.#hop) % this.#hop;
    this.#size = this.#hop - past;
    this.#buffer = new Float32Array(this.#size * this.#channels);
    this.#filled = 0;
  }

  process([input]) {
    if (!this.#armed) return true;
    const quantum = input[0]?.length ?? 128;
    for (let from = 0; from < quantum;) {
      const count = Math.min(quantum - from, this.#size - this.#filled);
      for (let c = 0; c < this.#channels && input.length; c++) {
        const channel = input[Math.min(c, input.length - 1)];
        this.#buffer.set(from === 0 && count === quantum ? channel : channel.subarray(from, from + count), c * this.#size + this.#filled);
      }
      this.#filled += count;
      from += count;
      if (this.#filled === this.#size) this.#give(currentFrame + from - this.#size);
    }
    return true;
  }

  /** @param {number} frame the context's frame at which the chunk's first sample was captured */
  #give(frame) {
    const message = { pts: this.#pts, frame, samples: this.#buffer, channels: this.#channels };
    for (const outlet of this.#outlets) outlet.postMessage(message);
    this.#pts += this.#size;
    this.#open();
  }
}

registerProcessor("winnow-capture", Capture);
