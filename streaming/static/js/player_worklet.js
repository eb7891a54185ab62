// Sound out: every track, and the input beside them, read at one place on the input's clock and mixed.
//
// Sample pts of any track is played `delay` frames after sample pts of the input was captured. Because input and tracks
// are read at the same place, changing what is heard is a change of gains, exact to the sample. Input and output run on
// one clock, so the delay stays put; it grows when sound came too late, and shrinks when it always comes too early.

import { TrackRing } from "./track_ring.js";
import { Delay } from "./play_out_delay.js";

const RAMP_S = 0.005, CROSSFADE = 256, REPORT_EVERY = 16;

class Player extends AudioWorkletProcessor {
  #channels;
  #rings = new Map();
  #gains = new Map();
  #offset = null;
  #delay;
  #fade = 0;
  #fromDelay = 0;
  #replayUntil = -Infinity;
  #step;
  #quanta = 0;
  #observers = [];

  constructor({ processorOptions }) {
    super();
    this.#channels = processorOptions.channels;
    this.#delay = new Delay(sampleRate);
    this.#step = 1 / (RAMP_S * sampleRate);
    this.port.onmessage = ({ data }) => this.#told(data);
  }

  #told(data) {
    if (data.input) data.input.onmessage = ({ data: chunk }) => this.#captured(chunk);
    if (data.tracks) data.tracks.onmessage = ({ data: message }) => this.#arrived(message);
    if (data.observers) this.#observers = data.observers;
    if (data.gains) for (const [id, gain] of Object.entries(data.gains)) this.#gain(id).goal = gain;
    if (data.forget) { this.#rings.delete(data.forget); this.#gains.delete(data.forget); }
    if (data.expect) this.#delay.expect(data.expect);
  }

  #gain(id) {
    if (!this.#gains.has(id)) this.#gains.set(id, { now: 0, goal: 0, presence: 0 });
    return this.#gains.get(id);
  }

  #ring(id) {
    if (!this.#rings.has(id)) this.#rings.set(id, new TrackRing(this.#channels, 2 ** 18));
    return this.#rings.get(id);
  }

  #captured({ pts, frame, samples }) {
    this.#offset = frame - pts;
    this.#ring("input").write(pts, samples);
  }

  #arrived(message) {
    if ("replayUntil" in message) { this.#replayUntil = message.replayUntil ?? -Infinity; return; }
    const { track, pts, samples } = message;
    this.#ring(track).write(pts, samples);
    if (this.#offset === null || pts < this.#replayUntil) return;
    this.#change(this.#delay.arrived(currentFrame - pts - this.#offset, currentFrame));
  }

  #change(before) {
    if (before === null) return;
    // Two changes at once: the later one wins, the fade begins again from where it is heard now.
    this.#fromDelay = before;
    this.#fade = CROSSFADE;
  }

  process(_, [output]) {
    const left = output[0], quantum = left.length;
    if (this.#offset !== null) {
      this.#change(this.#delay.settle(currentFrame));
      const at = currentFrame - this.#offset - this.#delay.frames;
      for (const [id, ring] of this.#rings) {
        const gain = this.#gain(id);
        if (gain.now > 0 || gain.goal > 0) this.#mix(output, ring, gain, at, quantum);
        else gain.presence = ring.has(at, quantum) ? 1 : 0;
      }
      if (this.#fade > 0) this.#fade = Math.max(0, this.#fade - quantum);
    }
    if (++this.#quanta % REPORT_EVERY === 0) this.#report();
    return true;
  }

  #mix(output, ring, gain, at, quantum) {
    const there = ring.has(at, quantum), old = this.#fade > 0 ? at + this.#delay.frames - this.#fromDelay : null;
    let { now, presence } = gain;
    for (let i = 0; i < quantum; i++) {
      now += Math.max(-this.#step, Math.min(this.#step, gain.goal - now));
      presence = Math.max(0, Math.min(1, presence + (there ? this.#step : -this.#step)));
      const share = old === null ? 1 : 1 - Math.max(0, this.#fade - i) / CROSSFADE, level = now * presence;
      for (let c = 0; c < output.length; c++) {
        const channel = Math.min(c, this.#channels - 1);
        let value = ring.read(channel, at + i);
        if (share < 1) value = share * value + (1 - share) * ring.read(channel, old + i);
        output[c][i] += level * value;
      }
    }
    gain.now = now;
    gain.presence = presence;
  }

  #report() {
    if (this.#offset === null) return;
    const report = { clock: true, pts: currentFrame - this.#offset - this.#delay.frames, captured: currentFrame - this.#offset, ...this.#delay.told() };
    this.port.postMessage(report);
    for (const observer of this.#observers) observer.postMessage(report);
  }
}

registerProcessor("winnow-player", Player);
