// Taps of what goes in and what comes out, sample by sample on one clock: a worklet with two inputs. Loaded by
// benchmarks/browser.py into a page whose content policy is set aside.

const RECORDER = `
class Recorder extends AudioWorkletProcessor {
  #parts = [];
  #on = true;
  constructor() { super(); this.port.onmessage = () => { this.#on = false; this.port.postMessage(this.#parts); }; }
  process(inputs) {
    if (!this.#on) return false;
    const part = new Float32Array(256);
    for (const which of [0, 1]) if (inputs[which][0]) part.set(inputs[which][0], 128 * which);
    this.#parts.push(part);
    return true;
  }
}
registerProcessor("recorder", Recorder);`;

async function record(context, input, output, seconds) {
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([RECORDER], { type: "text/javascript" })));
  const one = { channelCount: 1, channelCountMode: "explicit" };
  const recorder = new AudioWorkletNode(context, "recorder", { ...one, numberOfInputs: 2, numberOfOutputs: 0 });
  input.connect(recorder, 0, 0);
  output.connect(recorder, 0, 1);
  await new Promise(done => setTimeout(done, 1000 * seconds));
  const parts = await new Promise(done => { recorder.port.onmessage = ({ data }) => done(data); recorder.port.postMessage(0); });
  const track = which => {
    const bytes = new Uint8Array(Float32Array.from(parts.flatMap(part => [...part.subarray(128 * which, 128 * which + 128)])).buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  };
  return { rate: context.sampleRate, input: track(0), output: track(1) };
}

/** The page's own WebSocket and player, as a person uses them. */
globalThis.overWebSocket = async seconds => {
  const { input, output } = winnow.graph.ends;
  let picture = null;
  winnow.on("frames", ({ fps, p50, p95 }) => { picture = { per_s: fps, draw_p50_ms: p50, draw_p95_ms: p95 }; });
  const told = await record(winnow.graph.context, input, output, seconds);
  return { ...told, picture, model_ms: 1000 * winnow.started.latency.samples / winnow.started.audio.sample_rate, delay_page_ms: Number(document.querySelector("#tot").innerText) };
};

/** WHIP with sendrecv: microphone and target in one peer connection, played by the browser's own receiver. */
globalThis.overWebRtc = async (url, seconds, settle) => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 } });
  const peer = new RTCPeerConnection(), heard = new Promise(done => { peer.ontrack = ({ track }) => done(new MediaStream([track])); });
  const begun = performance.now();
  peer.addTransceiver(stream.getAudioTracks()[0], { direction: "sendrecv", streams: [stream] });
  await peer.setLocalDescription(await peer.createOffer());
  await new Promise(done => { if (peer.iceGatheringState === "complete") done(); peer.onicegatheringstatechange = () => { if (peer.iceGatheringState === "complete") done(); }; });
  const answer = await fetch(url, { method: "POST", headers: { "content-type": "application/sdp" }, body: peer.localDescription.sdp });
  if (!answer.ok) return { refused: answer.status, why: await answer.text() };
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const back = await heard;
  // Chromium hands a remote track to Web Audio only while some media element has it.
  const element = Object.assign(new Audio(), { srcObject: back, muted: true });
  await element.play();
  const connected = performance.now() - begun;
  const context = new AudioContext({ latencyHint: "interactive" });
  await context.resume();
  await new Promise(done => setTimeout(done, 1000 * settle));
  const told = await record(context, context.createMediaStreamSource(stream), context.createMediaStreamSource(back), seconds);
  const stats = [...(await peer.getStats()).values()].find(one => one.type === "inbound-rtp");
  peer.close();
  return { ...told, connected_ms: connected, browser_buffer_ms: 1000 * stats.jitterBufferDelay / stats.jitterBufferEmittedCount, lost: stats.packetsLost };
};
