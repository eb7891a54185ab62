// The page's one decider: source, targets, session, state. Views tell it what a person wants and hear what became of it.
//
// events: state, strips (list or mix), understood, refused, source, clock, levels, measured, stats, activity, take, file

import { AudioGraph } from "./audio_graph.js";
import { startDrawing as openDrawing } from "./drawing.js";
import { routing } from "./routing.js";
import { KeyNeeded, ServerGone, access, liveUrl, understand, useKey } from "./server.js";
import { SourceDenied, openSource } from "./sources.js";
import { DENIED, NO_SOUND, STATES } from "./states.js";
import { Strips } from "./strips.js";
import { Vocabulary, phrases } from "./vocabulary.js";

const LATE_FOR_MS = 2500, PLAY_OUT_MS = 400;
/** On this machine nothing is gained by rounding samples; over a network it halves what has to be carried. */
const encoding = () => /^(localhost|127\.|\[::1\])/.test(location.hostname) ? "pcm_f32le" : "pcm_s16le";

export class Studio extends EventTarget {
  strips = new Strips();
  vocabulary = new Vocabulary();
  graph = new AudioGraph();
  state = "idle";
  detail = {};
  source = null;
  started = null;
  tracks = [];
  ab = false;
  #worker = new Worker(new URL("./link_worker.js", import.meta.url), { type: "module", name: "link" });
  #drawing = null;
  #wanted = null;
  #last = null;
  #lateHops = 0;
  #lateUntil = 0;
  #requests = new Map();
  #open = false;
  #opening = 0;

  constructor() {
    super();
    this.#worker.onmessage = ({ data }) => this[`on_${data.is}`]?.(data.what ?? data);
    for (const event of ["list", "mix"]) this.strips.addEventListener(event, () => { this.#mix(); this.tell("strips", { list: event === "list" }); });
  }

  tell(name, detail = {}) { this.dispatchEvent(new CustomEvent(name, { detail })); }
  on(name, heard) { this.addEventListener(name, ({ detail }) => heard(detail)); }
  #link(message, transfer = []) { this.#worker.postMessage(message, transfer); }
  draw(message, transfer = []) { this.#drawing.send(message, transfer); }
  control(canvas) { return this.#drawing.control(canvas); }

  async startDrawing() { this.#drawing = await openDrawing(data => this.tell(data.is, data)); }

  /** Ask the server what it knows. */
  async meet() {
    try {
      await this.vocabulary.load();
      this.tell("vocabulary");
      if (["gone", "locked"].includes(this.state)) this.set("idle");
    } catch (error) { this.#trouble(error); }
  }

  set(state, detail = {}) {
    this.state = state;
    this.detail = detail;
    this.#mix();
    this.tell("state", { state, ...detail });
  }

  get traits() { return STATES[this.state]; }

  #trouble(error) {
    if (error instanceof KeyNeeded) this.set("locked");
    else if (error instanceof ServerGone) this.set("gone");
    else if (error instanceof SourceDenied) this.set("denied", { words: DENIED[error.kind]?.[error.reason] ?? error.reason, source: error.kind });
    else throw error;
  }

  // --- the source -------------------------------------------------------------------------------------------

  async choose(kind, file = null) {
    const turn = ++this.#opening;
    this.#stopSource();
    this.#wanted = { kind, file };
    this.set("opening", { source: kind });
    try {
      const late = () => { if (turn === this.#opening) this.set("opening", { source: kind, words: NO_SOUND }); };
      const context = await this.graph.wake(late), source = await openSource(kind, context, file);
      if (turn !== this.#opening) return source.stop();
      await this.#take(source);
    } catch (error) {
      if (turn !== this.#opening) return;
      this.#stopSource();
      this.#trouble(error);
    }
  }

  async #take(source) {
    this.source = source;
    source.onend = () => this.#ended();
    const { capture, player, draw } = this.graph.begin(source, report => this.#clocked(report));
    this.#link({ do: "take" });
    const tracks = this.#toDraw(draw);
    this.#link({ do: "ports", ports: { capture, player, draw: tracks } }, [capture, player, tracks]);
    this.tell("take", { source, rate: this.graph.rate });
    if (source.prompt && !this.strips.targets.length) await this.ask(source.prompt);
    // Whoever has chosen another source meanwhile has that one.
    if (this.source !== source) return;
    this.graph.arm(true);
    this.set("listening");
    // First the session, then the sound: what a file begins with would be over before the server is asked.
    this.#begin();
    await source.play();
    if (this.source !== source) return source.stop();
    this.#mix();
    this.tell("source", { source });
  }

  /** The drawing gets its ends; what comes back is the end on which the link worker sends it the tracks. */
  #toDraw(ends) {
    const { port1, port2 } = new MessageChannel();
    this.draw({ do: "rate", rate: this.graph.rate });
    for (const { id } of this.strips.all) this.draw({ do: "restart", id });
    this.draw({ do: "ports", ports: [port2, ...ends] }, [port2, ...ends]);
    return port1;
  }

  #stopSource() {
    this.#link({ do: "end" });
    this.#open = false;
    this.graph.arm(false);
    this.source?.stop();
    this.graph.end();
    this.source = this.started = null;
  }

  /** The source is over: what is still on its way comes out, then all stands still. */
  async #ended() {
    const { source } = this;
    if (source.kind === "mic") { this.#stopSource(); return this.#trouble(new SourceDenied("mic", "lost")); }
    if (source.kind !== "file") { this.#stopSource(); return this.set("idle"); }
    const end = await this.graph.disarm();
    if (this.#open) this.#link({ do: "finish", end });
    else this.#rest();
  }

  /** All of it is back; it only has to be played. */
  on_finished() { if (this.source?.kind === "file") setTimeout(() => this.#rest(), PLAY_OUT_MS); }

  async #rest() {
    if (!this.source) return;
    await this.graph.context.suspend();
    this.set("ended");
  }

  async togglePlay() {
    if (!this.source) return this.choose(this.#wanted?.kind ?? "demo", this.#wanted?.file);
    if (this.graph.running) {
      this.source.pause();
      await this.graph.context.suspend();
      return this.set("paused");
    }
    await this.graph.context.resume();
    if (this.state === "ended") this.graph.arm(true);
    await this.source.play();
    this.set(this.#open ? "live" : "listening");
    this.#begin();
  }

  /** What a notice offers. */
  act(name, value) {
    if (name === "retry") this.#link({ do: "retry" });
    if (name === "again") this.choose(this.#wanted?.kind ?? "demo", this.#wanted?.file);
    if (name === "demo") this.choose("demo");
    if (name === "reload") this.meet();
    if (name === "key") { useKey(value); this.meet(); }
  }

  // --- the targets ------------------------------------------------------------------------------------------

  /** Ask for what was typed, as one or more targets. Returns what was refused, or null. */
  async ask(text) {
    let refused = null;
    for (const phrase of phrases(text)) {
      if (this.strips.full) { this.tell("refused", { prompt: phrase, full: true }); return phrase; }
      if (this.strips.targets.some(({ name }) => name === phrase)) continue;
      try {
        const reading = await understand(phrase);
        if (reading.unknown) { refused ??= reading; continue; }
        this.#add(phrase, reading);
      } catch (error) { this.#trouble(error); return text; }
    }
    if (refused) this.tell("refused", refused);
    return refused?.prompt ?? null;
  }

  #add(phrase, reading) {
    const target = this.strips.add(phrase, reading);
    this.tell("added", target);
    if (this.#open) this.#link({ do: "update", targets: [{ id: target.id, prompt: phrase }] });
    else this.#begin();
  }

  remove(id) {
    const target = this.strips.find(id);
    this.strips.remove(id);
    this.graph.forget(id);
    this.#link({ do: "drop", id });
    this.tell("removed", target);
    if (!this.#open) return;
    if (this.strips.targets.length) this.#link({ do: "remove", ids: [id] });
    else this.#endSession();
  }

  /** A session has at least one target: without any there is none. */
  #endSession() {
    this.#link({ do: "end" });
    this.#open = false;
    this.started = null;
    if (!this.traits.still) this.set("listening");
  }

  hold(on) {
    if (this.ab === on) return;
    this.ab = on;
    this.#mix();
    this.tell("strips", { list: false });
  }

  get routing() { return routing(this.strips, { ab: this.ab, pass: !!this.traits.pass, silent: !!this.traits.silent && !this.ab }); }
  #mix() { this.graph.gains(this.routing.gains); }

  // --- the session ------------------------------------------------------------------------------------------

  #begin() {
    if (!this.source || this.#open || !this.strips.targets.length || !this.graph.running) return;
    this.#open = true;
    this.#link({
      do: "begin", url: liveUrl(), access: access(),
      start: {
        type: "start",
        audio: { encoding: encoding(), sample_rate: this.graph.rate, channels: this.source.channels },
        targets: this.strips.targets.map(({ id, name }) => ({ id, prompt: name })),
        return: ["target", "residual"], stats: true, on_failure: "pass",
      },
    });
  }

  on_connecting() { this.set("connecting"); }

  on_started(message) {
    this.started = this.#last = message;
    this.#lateHops = 0;
    this.graph.expect(message.latency.samples);
    this.graph.phase(message.latency.samples);
    this.#understood(message);
    this.set("live", { again: message.again });
  }

  on_resumed() {
    this.started = this.#last;
    this.set("live", { again: true });
  }
  on_updated(message) { this.#understood(message); }

  #understood({ targets, tracks }) {
    this.tracks = tracks;
    for (const { id, understood, everything_but } of targets) {
      const target = this.strips.find(id);
      if (target) target.reading = { ...target.reading, understood, everything_but };
    }
    this.tell("understood");
  }

  /** The server declines targets that the page thought well of: its word counts. */
  on_declined(error) {
    const declined = error.targets.map(id => this.strips.find(id)).filter(Boolean), target = declined[0];
    for (const { id } of declined) this.strips.remove(id);
    if ("close_code" in error) this.#open = false;
    this.tell("refused", { prompt: target?.name ?? error.prompt ?? "", unknown: error.message, noRoom: error.code === "no_capacity", suggestions: error.suggestions ?? [] });
    if (!this.#open) { this.set("listening"); this.#begin(); }
    else if (!this.strips.targets.length) this.#endSession();
  }

  on_reconnecting(what) { this.started = null; this.draw({ do: "quiet" }); this.set("reconnecting", { ...what, gone: what.attempt > 2 }); }
  on_full(what) { this.started = null; this.set("full", what); }
  on_failed({ error, code }) {
    this.#open = false;
    this.started = null;
    if (code === 4401 || error?.code === "unauthorised") return this.set("locked");
    this.set("failed", { words: error ? `The server ended the session: ${error.message}.` : `The server closed the connection (${code}).` });
  }

  on_text(message) { this[`hear_${message.type}`]?.(message); }
  hear_activity(message) {
    const target = this.strips.find(message.target);
    if (target) target.sounding = message;
    this.draw({ do: "activity", id: message.target, state: message.state, at: message.at });
    this.tell("activity", message);
  }
  hear_stats(message) {
    if (message.late_hops > this.#lateHops) this.#lateUntil = performance.now() + LATE_FOR_MS;
    this.#lateHops = message.late_hops;
    this.tell("stats", message);
    const late = performance.now() < this.#lateUntil;
    if (this.state === "live" && late) this.set("late");
    else if (this.state === "late" && !late) this.set("live");
  }
  hear_warning(message) {
    if (message.code === "engine_failed_passing") return this.set("pass");
    this.tell("warning", message);
  }
  hear_gap(message) { this.tell("gap", message); }

  on_measured(message) { this.tell("measured", message); }
  #clocked(report) { this.tell("clock", report); }

  // --- files ------------------------------------------------------------------------------------------------

  /** @returns {Promise<{name: string, blob: Blob}|null>} */
  save(tracks, name, zip) {
    const request = crypto.randomUUID?.() ?? String(Math.random());
    this.#link({ do: "save", request, tracks, name, zip });
    return new Promise(done => this.#requests.set(request, done));
  }

  on_file({ request, name, blob }) {
    this.#requests.get(request)?.(blob ? { name, blob } : null);
    this.#requests.delete(request);
  }
}
