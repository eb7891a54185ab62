// A session that outlives its connections: it starts, comes back by itself, resumes or begins anew, and fills the gap.
//
// After a break the server is first asked to resume (it replays what was not received). A server that cannot, or no
// longer knows the session, gets a new start at the place where the sound broke off, at most five seconds back, and the
// sound captured since: the tracks go on on the same clock either way.

import { InputHistory } from "./input_history.js";
import { Reconnect } from "./reconnect.js";
import { RoundTrip } from "./round_trip.js";

const REPLAY_S = 5, RESUME_WITHIN_MS = 28000, DEAD_AFTER_MS = 4500, SIGN_OF_LIFE_MS = 3000;
/** What a session that is running or asks to begin may be told; everything else is answered by trying again. */
const FINAL = new Set(["bad_message", "unsupported_media", "not_supported_yet", "origin_refused", "message_too_large", "over_time", "unauthorised"]);
const FULL = new Set(["no_capacity", "too_many_sessions"]);

export class SessionLink {
  #make;
  #tell;
  #format = null;
  #start = null;
  #link = null;
  #live = false;
  #resuming = false;
  #token = null;
  #brokeAt = 0;
  #error = null;
  #tracks = new Map();
  #received = new Map();
  #told = new Map();
  #unanswered = [];  // of each update and remove under way: the ids that were new in it
  #history = new InputHistory(0);
  #reconnect = new Reconnect(() => this.#connect());
  #heardAt = 0;
  #saidAt = 0;
  #watch = 0;
  #began = false;

  /**
   * @param {Function} make (format, resumes, callbacks) → a link
   * @param {(kind: string, what?: object) => void} tell states, texts and sound
   */
  constructor(make, tell) {
    this.#make = make;
    this.#tell = tell;
    this.roundTrip = new RoundTrip();
  }

  get open() { return this.#start !== null; }

  /** Begin: `start` is the wire's start message; it is kept up to date and said again where a session begins anew. */
  begin(start) {
    this.#format = start.audio;
    this.#start = structuredClone(start);
    this.#history = new InputHistory((REPLAY_S + 1) * start.audio.sample_rate);
    this.#received.clear();
    this.#token = null;
    this.roundTrip.reset();
    this.#tell("connecting");
    this.#connect();
    this.#watch ||= setInterval(() => this.#check(), 500);
  }

  /** Sound that was captured. */
  feed(pts, samples) {
    if (!this.open) return;
    this.#history.add(pts, samples, this.#format.channels);
    if (this.#live) this.#sendSound(pts, samples);
  }

  #sendSound(pts, samples) {
    const now = performance.now();
    this.#link.sendSound(samples, pts);
    this.#saidAt = now;
    this.roundTrip.sent(pts + samples.length / this.#format.channels, now);
  }

  update(targets) {
    for (const target of targets) {
      const at = this.#start.targets.findIndex(known => known.id === target.id);
      at < 0 ? this.#start.targets.push(target) : this.#start.targets[at] = target;
    }
    this.#agree();
  }

  remove(ids) {
    this.#start.targets = this.#start.targets.filter(target => !ids.includes(target.id));
    this.#agree();
  }

  /** Tell the server what it does not have yet; what was wished for while nobody listened is told now. */
  #agree() {
    if (!this.#began || !this.#live) return;
    const wanted = new Map(this.#start.targets.map(target => [target.id, JSON.stringify(target)]));
    const news = this.#start.targets.filter(({ id }) => this.#told.get(id) !== wanted.get(id)), gone = [...this.#told.keys()].filter(id => !wanted.has(id));
    if (!wanted.size) return;  // a session without targets is ended by who began it
    // First what gives room: a full server takes one target for another. One must be left meanwhile.
    const stays = [...this.#told.keys()].some(id => wanted.has(id)), last = stays ? [] : gone.splice(-1);
    this.#wish("remove", gone, []);
    this.#wish("update", news, news.map(({ id }) => id).filter(id => !this.#told.has(id)));
    this.#wish("remove", last, []);
    this.#told = wanted;
  }

  #wish(type, targets, added) {
    if (!targets.length) return;
    this.#unanswered.push(added);
    this.#say({ type, targets });
  }

  flush() { this.#say({ type: "flush" }); }

  #say(message) {
    if (!this.#began || !this.#live) return;
    this.#link.send(message);
    this.#saidAt = performance.now();
  }

  /** The person asks to try now, or the network has come back. */
  retry() { if (this.open && !this.#link) this.#reconnect.now(); }

  end() {
    clearInterval(this.#watch);
    this.#watch = 0;
    this.#reconnect.cancel();
    if (this.#link?.ready) this.#link.send({ type: "end" });
    this.#link?.close();
    this.#link = this.#start = null;
    this.#live = this.#began = false;
  }

  // --- one connection ---------------------------------------------------------------------------------------

  async #connect() {
    this.#error = null;
    this.#live = this.#began = false;
    const mine = {};
    const current = callback => (...args) => { if (this.#link === mine.link) callback(...args); };
    try {
      const resumes = this.#resumable;
      mine.link = this.#link = await this.#make(this.#format, resumes, {
        open: current(() => this.#onOpen()),
        text: current(message => this.#onText(message)),
        sound: current(heard => this.#onSound(heard)),
        close: current(code => this.#onClose(code)),
      });
    } catch (error) {
      this.#link = null;
      this.#onClose(error.code ?? 1006, error.said);
    }
  }

  #onOpen() {
    this.#heardAt = this.#saidAt = performance.now();
    this.#resuming = this.#resumable;
    if (this.#resuming) {
      const received = Object.fromEntries([...this.#received].map(([track, pts]) => [String(track), pts]));
      this.#link.send({ type: "resume", token: this.#token, received });
    } else this.#startHere();
  }

  get #resumable() { return this.#token !== null && performance.now() - this.#brokeAt < RESUME_WITHIN_MS; }

  #startHere() {
    this.#link.send(this.#start);
    this.#unanswered = [];
    this.#told = new Map(this.#start.targets.map(target => [target.id, JSON.stringify(target)]));
    // A new session begins where the sound broke off, or, the first one, with what was captured since it was wanted: of
    // the last seconds nothing is missing on any track.
    const end = this.#history.end;
    if (end !== null) this.#catchUp(Math.max(end - REPLAY_S * this.#format.sample_rate, ...this.#received.values()));
    else this.#live = true;
  }

  /** Send what was captured since `pts`, then go on live. */
  #catchUp(pts) {
    for (const chunk of this.#history.since(pts, this.#format.channels)) this.#sendSound(chunk.pts, chunk.samples);
    this.#live = true;
    this.replayUntil = this.#history.end ?? pts;
  }

  #onText(message) {
    this.#heardAt = performance.now();
    switch (message.type) {
      case "started": this.#onStarted(message); break;
      case "resumed": this.#onResumed(message); break;
      case "updated":
        this.#onAnswered(new Set(message.targets.map(({ id }) => id)));
        this.#learnTracks(message.tracks);
        this.#tell("updated", message);
        break;
      case "error":
        if ("close_code" in message) { this.#error = message; break; }
        // The session is over there: begin anew on the same connection.
        if (this.#resuming) { this.#token = null; this.#resuming = false; this.#startHere(); }
        else this.#onDeclined(message);
        break;
      case "pong": break;
      default: this.#tell("text", message);
    }
  }

  /** By what the server has now: an answer may have been lost with a connection, or come after it. */
  #onAnswered(there) {
    while (this.#unanswered.length && this.#unanswered[0].every(id => there.has(id))) this.#unanswered.shift();
  }

  /**
   * None of an update is taken. The target that the server names, or without a name (no room) all that were new, are
   * asked for no more; the others of it are asked for again.
   */
  #onDeclined(message) {
    if (!this.#unanswered.length) return;  // said before a break, and asked for again since
    const added = this.#unanswered.shift(), targets = message.target ? [message.target] : added;
    for (const id of added) this.#told.delete(id);
    this.#start.targets = this.#start.targets.filter(({ id }) => !targets.includes(id));
    this.#tell("declined", { ...message, targets });
    if (targets.length) this.#agree();
  }

  #onStarted(message) {
    const again = this.#received.size > 0;
    this.#received.clear();
    this.#token = message.resume_token ?? null;
    this.#learnTracks(message.tracks);
    this.#begun(message.latency.samples);
    this.#latency = message.latency.samples;
    this.#tell("started", { ...message, again, replayUntil: this.replayUntil ?? null });
  }

  #latency = 0;

  #onResumed(message) {
    if (message.resume_token) this.#token = message.resume_token;
    // What was wished for right before the break may have come or not: the server's word counts.
    const unsure = new Set(this.#unanswered.splice(0).flat());
    this.#told = new Map(message.targets.map(({ id }) => [id, unsure.has(id) ? null : this.#told.get(id)]));
    this.#catchUp(message.expects);
    this.#begun(this.#latency);
    this.#tell("resumed", { ...message, replayUntil: this.replayUntil });
  }

  #begun(latency) {
    this.#began = true;
    this.#resuming = false;
    this.#reconnect.succeeded();
    this.#agree();
    this.roundTrip.begin(latency, this.#format.sample_rate, this.replayUntil ?? -Infinity);
  }

  #learnTracks(tracks) {
    this.#tracks = new Map(tracks.map(({ index, name }) => [index, name.endsWith("/target") ? name.slice(0, -7) : name]));
    for (const index of this.#received.keys()) if (!this.#tracks.has(index)) this.#received.delete(index);
  }

  #onSound(heard) {
    const now = this.#heardAt = performance.now(), id = this.#tracks.get(heard.track);
    this.#received.set(heard.track, heard.pts + heard.count);
    this.roundTrip.arrived(heard.pts, now);
    if (id !== undefined && heard.count) this.#tell("sound", { id, ...heard });
  }

  #onClose(code) {
    const error = this.#error;
    this.#link = null;
    if (this.#began) this.#brokeAt = performance.now();
    this.#live = this.#began = false;
    if (!this.open) return;
    if (this.#resuming) {
      // This server cannot resume, or does not let us: begin anew at once.
      this.#resuming = false;
      if (error && !FULL.has(error.code)) { this.#token = null; this.#connect(); return; }
    }
    if (error?.code === "unknown_prompt") { this.#tell("declined", { ...error, targets: [error.target] }); this.#stop(); }
    else if (error && FINAL.has(error.code) || [4400, 4415].includes(code)) { this.#tell("failed", { error, code }); this.#stop(); }
    else if (error && FULL.has(error.code)) this.#tell("full", { error, ...this.#reconnect.after(error.retry_after_s ?? 5) });
    else this.#tell("reconnecting", { error, code, ...this.#reconnect.after() });
  }

  #stop() { this.end(); }

  /** A connection over which nothing comes any more is dead, whatever the operating system thinks of it. */
  #check() {
    const now = performance.now();
    if (!this.#link?.ready || this.#resuming) return;
    if (now - this.#saidAt > SIGN_OF_LIFE_MS) { this.#link.send({ type: "ping" }); this.#saidAt = now; }
    if (now - this.#heardAt > DEAD_AFTER_MS) this.#link.abandon();
  }
}
