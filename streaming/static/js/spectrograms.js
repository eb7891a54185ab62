// All lanes: sound in, pixels out. Runs in a worker; in browsers without OffscreenCanvas, on the page.
//
// What is drawn is what is heard: the right edge is the sample that plays now, told by the player and carried on by the
// clock in between, so that motion is even although sound arrives in pieces.

import { COLUMNS, LaneColumns } from "./lane_columns.js";
import { LaneView } from "./lane_view.js";
import { palette } from "./palette.js";
import { COLUMNS_PER_S, ROWS } from "./scale.js";

/** Columns by which the picture stays behind the ear: half an FFT window and a hop, so that the edge is complete. */
const EDGE = 5;
const TAKEN_SHARE = 34, LEVELS_EVERY = 3, STILL_EVERY_MS = 500, FALL_DB_PER_FRAME = 1.1;

export class Spectrograms {
  #lanes = new Map();
  #rate;
  #colours;
  #tell;
  #ring;
  #head = 0;
  #anchor = null;
  #frames = 0;
  #tint = true;
  #still = false;
  #hidden = false;
  #lastStill = 0;
  #times = [];

  /**
   * @param {Function} tell messages to the page
   * @param {Function} ring () → a canvas of COLUMNS × ROWS
   */
  constructor(tell, ring) {
    this.#tell = tell;
    this.#ring = ring;
  }

  handle(message) { this[`on_${message.do}`]?.(message); }

  on_theme({ theme }) { this.#colours = palette(theme); this.#invalidate(); }
  on_rate({ rate }) { this.#rate = rate; }
  on_add({ id, canvas, slot, kind }) {
    const columns = new LaneColumns(this.#rate);
    const view = new LaneView({ columns, canvas, ring: this.#ring(COLUMNS, ROWS), slot, strip: kind === "target" });
    if (kind === "input") view.owner = new Uint8Array(COLUMNS * ROWS);
    this.#lanes.set(id, { id, kind, columns, view, level: -Infinity, tinted: null });
    this.#invalidate();
  }
  on_remove({ id }) { this.#lanes.delete(id); this.#invalidate(); }
  on_size({ id, width, height, ratio }) { this.#lanes.get(id)?.view.resize(width, height, ratio); this.#redraw = true; }
  on_visible({ id, visible }) { const lane = this.#lanes.get(id); if (lane) lane.view.visible = visible; }
  on_tint({ tint }) { this.#tint = tint; this.#invalidate(); }
  on_still({ still }) { this.#still = still; }
  on_hidden({ hidden }) { this.#hidden = hidden; }
  on_activity({ id, state, at }) {
    const runs = this.#lanes.get(id)?.view.runs, column = at * COLUMNS_PER_S / this.#rate;
    if (!runs) return;
    const open = runs.at(-1)?.to === null ? runs.at(-1) : null;
    if (state === "start" && !open) runs.push({ from: column, to: null });
    if (state === "end" && open) open.to = Math.max(column, open.from);
  }
  on_quiet() {
    const now = this.#head;
    for (const { view } of this.#lanes.values()) for (const run of view.runs) run.to ??= Math.min(now, run.from + COLUMNS);
  }
  on_restart({ id }) { const lane = this.#lanes.get(id); if (lane) { lane.columns = lane.view.columns = new LaneColumns(this.#rate); lane.view.runs = []; this.#invalidate(); } }

  #redraw = true;

  #invalidate(from = null) {
    for (const { view } of this.#lanes.values()) view.invalidate(from);
    const input = this.#lanes.get("input");
    if (input) input.tinted = from;
    this.#redraw = true;
  }

  /** Sound of a track; one that fills an old gap has its columns painted again. */
  sound({ track, pts, samples, channels }) {
    const lane = this.#lanes.get(track);
    if (!lane) return;
    const before = lane.columns.done;
    lane.columns.add(pts, samples, channels);
    if (before !== null && before < this.#head + 3) lane.view.invalidate(before - 1);
  }

  clock({ pts }) {
    const at = pts * COLUMNS_PER_S / this.#rate - EDGE, now = performance.now();
    const here = this.#carried(now);
    // A little off: drawn nearer frame by frame. Far off (a jump of the delay, a pause): there at once.
    this.#anchor = { at: here === null || Math.abs(here - at) > 8 ? at : here + 0.15 * (at - here), now };
  }

  #carried(now) {
    if (!this.#anchor) return null;
    // The player tells its place many times a second; silence means that it stands still.
    return this.#anchor.at + Math.min(now - this.#anchor.now, 150) * COLUMNS_PER_S / 1000;
  }

  frame(now) {
    if (!this.#colours || this.#hidden) return;
    const at = this.#carried(performance.now());
    if (at !== null) {
      const moved = at !== this.#head;
      // Never back by a little; a jump back is another take.
      this.#head = this.#head - at < 20 ? Math.max(at, this.#head) : at;
      if (moved || this.#redraw) this.#show(now);
    } else if (this.#redraw) this.#show(now);
  }

  #show(now) {
    if (this.#still && !this.#redraw && now - this.#lastStill < STILL_EVERY_MS) return this.#levels();
    this.#lastStill = now;
    this.#redraw = false;
    const begun = performance.now(), to = Math.floor(this.#head) + 1;
    this.#own(to);
    for (const { view } of this.#lanes.values()) {
      if (!view.visible) continue;
      view.paint(to, this.#colours);
      view.draw(this.#head, this.#colours);
    }
    this.#levels();
    this.#measure(begun, now);
  }

  /** Which target took a place of the input: the loudest there, where it is most of what the input has. */
  #own(to) {
    const input = this.#lanes.get("input");
    if (!input || input.columns.done === null) return;
    const targets = [...this.#lanes.values()].filter(({ kind, columns }) => kind === "target" && columns.done !== null);
    const { owner } = input.view, bytes = input.columns.bytes;
    const from = Math.max(input.tinted ?? 0, to - COLUMNS + 1, input.columns.first);
    const sure = Math.max(from, Math.min(to, input.columns.done, ...targets.map(({ columns }) => columns.done)));
    for (let n = from; n < sure; n++) {
      const base = n % COLUMNS * ROWS;
      for (let r = 0; r < ROWS; r++) {
        let best = 0, loudest = Math.max(40, bytes[base + r] - TAKEN_SHARE);
        if (this.#tint) for (const { columns, view } of targets) {
          if (n >= columns.first && columns.bytes[base + r] > loudest) { loudest = columns.bytes[base + r]; best = view.slot + 1; }
        }
        owner[base + r] = best;
      }
    }
    if (sure > from && this.#tint) input.view.invalidate(from);
    input.tinted = sure;
  }

  #levels() {
    if (++this.#frames % LEVELS_EVERY) return;
    const n = Math.floor(this.#head), levels = {};
    for (const lane of this.#lanes.values()) {
      const { columns } = lane, ready = columns.done !== null && n < columns.done && n >= columns.first;
      const value = ready ? columns.level[n % COLUMNS] : -Infinity;
      lane.level = Math.max(value, lane.level - FALL_DB_PER_FRAME * LEVELS_EVERY);
      levels[lane.id] = lane.level;
    }
    this.#tell({ is: "levels", levels });
  }

  #measure(begun, now) {
    this.#times.push({ now, took: performance.now() - begun });
    if (this.#times.length < 120) return;
    const span = now - this.#times[0].now, took = this.#times.map(time => time.took).sort((a, b) => a - b);
    this.#tell({ is: "frames", fps: 1000 * (this.#times.length - 1) / span, p50: took[60], p95: took[114] });
    this.#times = [];
  }
}
