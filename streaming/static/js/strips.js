// The strips of the mixer: the input, up to six targets, the residual. Who is soloed, muted, how loud, in which colour.

export const MOST_TARGETS = 6;

const strip = given => ({ solo: false, muted: false, gain: 0, slot: -1, ...given });

export class Strips extends EventTarget {
  #next = 1;
  input = strip({ id: "input", kind: "input", name: "Input" });
  residual = strip({ id: "residual", kind: "residual", name: "Residual", muted: true });
  targets = [];

  get all() { return [this.input, ...this.targets, this.residual]; }
  get full() { return this.targets.length >= MOST_TARGETS; }

  find(id) { return this.all.find(one => one.id === id); }

  /** A freed colour is taken by the next target; the others keep theirs. */
  add(prompt, reading) {
    const used = this.targets.map(({ slot }) => slot), slot = [...Array(MOST_TARGETS).keys()].find(one => !used.includes(one));
    const target = strip({ id: `t${this.#next++}`, kind: "target", name: prompt, slot, reading, sounding: null });
    this.targets.push(target);
    this.#tell("list");
    return target;
  }

  remove(id) {
    this.targets = this.targets.filter(target => target.id !== id);
    this.#tell("list");
  }

  set(id, change) {
    Object.assign(this.find(id), change);
    this.#tell("mix");
  }

  solo(id) { this.set(id, { solo: !this.find(id).solo }); }
  mute(id) { this.set(id, { muted: !this.find(id).muted }); }

  #tell(what) { this.dispatchEvent(new Event(what)); }
}
