// How far play-out runs behind capture, in frames: as little as the arrivals allow.
//
// `age` of a hop on arrival: frames since its first sample was captured. It can be played in time when age ≤ delay.
// The delay is the oldest age of the last seconds and a margin; the margin widens with every hop that came too late, and
// narrows again while none does.

const START_MS = 60, LEAST_MARGIN_MS = 4, MOST_MARGIN_MS = 40, LONGEST_MS = 1000;
const BUCKET_MS = 500, BUCKETS = 8, FEWEST_BUCKETS = 3, STEP_MS = 4, CALM_MS = 20000, FIRST_HOPS = 40;

export class Delay {
  #rate;
  #oldest = new Array(BUCKETS).fill(-Infinity);
  #bucketEnds = 0;
  #margin;
  #sure = false;
  #learnt = 0;
  #lateAt = 0;

  /** @param {number} rate Hz */
  constructor(rate) {
    this.#rate = rate;
    this.frames = this.#of(START_MS);
    this.#margin = this.#of(LEAST_MARGIN_MS);
    this.late = 0;
  }

  #of(ms) { return Math.round(ms * this.#rate / 1000); }

  /** A session begins whose hops take at least so many frames: a fair place to begin at. */
  expect({ frames }) {
    this.frames = frames + this.#of(START_MS / 2);
    this.#learnt = 0;
    this.#sure = false;
    this.#oldest.fill(-Infinity);
  }

  /** A hop has arrived. Returns the delay before, where it changed, else null. */
  arrived(age, now) {
    // The first hops waited for the session to open, and tell nothing of those to come.
    if (this.#learnt < FIRST_HOPS && ++this.#learnt <= FIRST_HOPS / 2) return null;
    this.#oldest[0] = Math.max(this.#oldest[0], age);
    if (this.#learnt < FIRST_HOPS) return null;
    return this.#sure ? this.#heed(age, now) : this.#first();
  }

  #first() {
    const before = this.frames;
    this.#sure = true;
    this.frames = this.#bounded(Math.max(...this.#oldest) + 2 * this.#margin);
    this.#oldest.fill(-Infinity);
    return before;
  }

  #heed(age, now) {
    if (age <= this.frames) return null;
    const before = this.frames;
    this.late++;
    this.#lateAt = now;
    this.#margin = Math.min(this.#of(MOST_MARGIN_MS), Math.round(this.#margin * 1.5));
    this.frames = this.#bounded(age + this.#margin);
    return before;
  }

  /** Move closer where every hop of the last seconds had time to spare. Returns as `arrived`. */
  settle(now) {
    if (!this.#turn(now) || !this.#sure || this.#oldest.slice(1, FEWEST_BUCKETS + 1).includes(-Infinity)) return null;
    if (now - this.#lateAt > this.#of(CALM_MS)) {
      this.#margin = Math.max(this.#of(LEAST_MARGIN_MS), Math.round(this.#margin * 0.95));
    }
    const spare = this.frames - Math.max(...this.#oldest) - this.#margin, step = this.#of(STEP_MS);
    if (spare < step / 4) return null;
    const before = this.frames;
    this.frames -= Math.round(Math.min(spare, Math.max(step, spare / 2)));
    return before;
  }

  #bounded(frames) { return Math.min(this.#of(LONGEST_MS), Math.round(frames)); }

  #turn(now) {
    if (now < this.#bucketEnds) return false;
    this.#bucketEnds = now + this.#of(BUCKET_MS);
    this.#oldest.pop();
    this.#oldest.unshift(-Infinity);
    return true;
  }

  told() { return { delay: this.frames, margin: this.#margin, late: this.late }; }
}
