// The page's one audio context, and for each take a capture and a player, wired to the workers without the page between.

const STARTS_WITHIN_MS = 8000;

const module = name => new URL(name, import.meta.url);

export class AudioGraph {
  context = null;
  #capture = null;
  #player = null;
  #source = null;
  #ready = null;

  /**
   * Must be called from a click or a key: browsers let nothing sound before.
   *
   * @param {() => void} late called where it takes long: without any sound device some browsers wait for ever, silently
   */
  async wake(late) {
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    const { audioWorklet } = this.context;
    this.#ready ??= Promise.all([audioWorklet.addModule(module("capture_worklet.js")), audioWorklet.addModule(module("player_worklet.js"))]);
    const timer = setTimeout(late, STARTS_WITHIN_MS);
    try { await Promise.all([this.#ready, this.context.resume()]); }
    finally { clearTimeout(timer); }
    return this.context;
  }

  get rate() { return this.context.sampleRate; }
  get running() { return this.context?.state === "running"; }
  get outputLatencyMs() {
    const { outputLatency } = this.context;
    // Nought is what browsers say that do not know.
    return outputLatency > 0 ? 1000 * outputLatency : null;
  }

  /**
   * A new take of a source.
   *
   * @param {{node: AudioNode, channels: number}} source
   * @param {(report: object) => void} clock told the player's place some 23 times a second
   * @returns {{capture: MessagePort, player: MessagePort, draw: MessagePort[]}} the ends for the workers
   */
  begin(source, clock) {
    this.end();
    const { context } = this, hop = Math.round(context.sampleRate / 100), { channels } = source;
    const shape = { channelCount: channels, channelCountMode: "explicit", channelInterpretation: "speakers" };
    this.#capture = new AudioWorkletNode(context, "winnow-capture", { ...shape, numberOfInputs: 1, numberOfOutputs: 1, processorOptions: { channels, hop } });
    this.#player = new AudioWorkletNode(context, "winnow-player", { numberOfInputs: 0, numberOfOutputs: 1, outputChannelCount: [channels], processorOptions: { channels } });
    const [toLink, toPlayer, toDraw, tracks, clocks] = Array.from({ length: 5 }, () => new MessageChannel());
    this.#capture.port.postMessage({ outlets: [toLink.port1, toPlayer.port1, toDraw.port1] }, [toLink.port1, toPlayer.port1, toDraw.port1]);
    this.#player.port.postMessage({ input: toPlayer.port2, tracks: tracks.port1, observers: [clocks.port1] }, [toPlayer.port2, tracks.port1, clocks.port1]);
    this.#player.port.onmessage = ({ data }) => clock(data);
    this.#player.connect(context.destination);
    // Its output is silence: some browsers run only what leads to the destination.
    source.node.connect(this.#capture).connect(context.destination);
    this.#source = source;
    return { capture: toLink.port2, player: tracks.port2, draw: [toDraw.port2, clocks.port2] };
  }

  /** For measurements: what goes in and what comes out, as nodes. */
  get ends() { return { input: this.#source?.node ?? null, output: this.#player }; }

  arm(armed) { this.#capture?.port.postMessage({ armed }); }

  /** Capture no more. @returns {Promise<number>} the index after the last sample */
  disarm() {
    const { port } = this.#capture;
    this.arm(false);
    return new Promise(done => { port.onmessage = ({ data }) => { if (!data.armed) done(data.pts); }; });
  }
  phase(phase) { this.#capture?.port.postMessage({ phase }); }
  gains(gains) { this.#player?.port.postMessage({ gains }); }
  forget(id) { this.#player?.port.postMessage({ forget: id }); }
  expect(frames) { this.#player?.port.postMessage({ expect: { frames } }); }

  end() {
    this.#source?.node.disconnect();
    this.#capture?.port.postMessage({ armed: false });
    this.#capture?.disconnect();
    this.#player?.disconnect();
    this.#capture = this.#player = this.#source = null;
  }
}
