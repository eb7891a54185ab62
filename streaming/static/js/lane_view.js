// One lane on its canvas: a ring of painted columns, drawn shifted by fractions of a column, and activity under it.

import { COLUMNS } from "./lane_columns.js";
import { COLUMNS_PER_S, ROWS, SPAN_S } from "./scale.js";

const WIDTH = SPAN_S * COLUMNS_PER_S, STRIP_PX = 12, WIDEST_STRIP = 64;
const strips = new Map();

/** Pixels of `width` columns, used again for every strip of that width. */
function strip(width) {
  if (!strips.has(width)) {
    const image = new ImageData(width, ROWS);
    strips.set(width, { image, words: new Uint32Array(image.data.buffer) });
  }
  return strips.get(width);
}

export class LaneView {
  #context;
  #ring;
  #ringContext;
  #painted = null;

  /** @param {{columns: LaneColumns, canvas: OffscreenCanvas|HTMLCanvasElement, ring: OffscreenCanvas|HTMLCanvasElement, slot: number}} lane slot −1: neutral */
  constructor({ columns, canvas, ring, slot, strip: hasStrip }) {
    Object.assign(this, { columns, canvas, slot, ratio: 1, visible: true, hasStrip });
    this.owner = null;
    this.runs = [];
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#ring = ring;
    this.#ringContext = ring.getContext("2d");
  }

  resize(width, height, ratio) {
    this.canvas.width = width;
    this.canvas.height = height;
    this.ratio = ratio;
  }

  /** Everything in view is painted again: another theme, another tint, a gap that was filled. */
  invalidate(from = null) { this.#painted = from === null || this.#painted === null ? null : Math.min(this.#painted, from); }

  /** Paint columns up to `to` that are new. */
  paint(to, colours) {
    const { done, first } = this.columns;
    if (done === null) return;
    let from = this.#painted ?? Math.max(0, to - COLUMNS + 1);
    from = Math.max(from, to - COLUMNS + 1);
    for (; from < to;) {
      const x = from % COLUMNS, width = Math.min(to - from, COLUMNS - x, WIDEST_STRIP), { image, words } = strip(width);
      for (let c = 0; c < width; c++) this.#column(words, width, c, from + c, first, done, colours);
      this.#ringContext.putImageData(image, x, 0);
      from += width;
    }
    this.#painted = to;
  }

  #column(words, width, c, n, first, done, colours) {
    const x = n % COLUMNS, at = x * ROWS, { bytes, missing } = this.columns, owner = this.owner;
    const ramp = this.slot < 0 ? colours.neutral : colours.targets[this.slot];
    const absent = n >= done || missing[x] === 1 && n >= first, before = n < first;
    for (let r = 0, to = (ROWS - 1) * width + c; r < ROWS; r++, to -= width) {
      if (before) words[to] = colours.ground;
      else if (absent) words[to] = (x + r) % 10 < 1 ? colours.hatch : colours.ground;
      else words[to] = (owner && owner[at + r] ? colours.targets[owner[at + r] - 1] : ramp)[bytes[at + r]];
    }
  }

  /** @param {number} head the column at the right edge, with its fraction */
  draw(head, colours) {
    const context = this.#context, { width, height } = this.canvas, strip = this.hasStrip ? STRIP_PX * this.ratio : 0;
    const tall = height - strip, start = head - WIDTH;
    context.fillStyle = colours.theme.well;
    context.fillRect(0, 0, width, height);
    if (this.columns.done === null) return;
    const s = (start % COLUMNS + COLUMNS) % COLUMNS, first = Math.min(WIDTH, COLUMNS - s), cut = first / WIDTH * width;
    context.drawImage(this.#ring, s, 0, first, ROWS, 0, 0, cut, tall);
    if (first < WIDTH) context.drawImage(this.#ring, 0, 0, WIDTH - first, ROWS, cut, 0, width - cut, tall);
    if (strip) this.#activity(context, start, width, tall, colours);
  }

  #activity(context, start, width, top, colours) {
    const ratio = this.ratio, head = start + WIDTH;
    context.fillStyle = colours.theme.line;
    context.fillRect(0, top + 6 * ratio, width, Math.max(1, ratio));
    context.fillStyle = colours.theme.targets[this.slot];
    for (const run of this.runs) {
      const from = Math.max(run.from, start), to = Math.min(run.to ?? head, head);
      if (to > from) context.fillRect((from - start) / WIDTH * width, top + 4 * ratio, Math.max(2, (to - from) / WIDTH * width), 5 * ratio);
    }
    while (this.runs.length && this.runs[0].to !== null && this.runs[0].to < start - COLUMNS) this.runs.shift();
  }
}
