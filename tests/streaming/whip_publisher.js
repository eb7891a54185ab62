// A publisher as any page could write it: microphone and camera go in, what comes back is heard, words go both ways.
// Loaded by test_interop_chromium.py and test_interop_firefox.py; `globalThis.publish` begins, `globalThis.heard` is what a test waits for.

const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const SDP = { "content-type": "application/sdp" };

const gathered = peer => new Promise(done => {
  const look = () => { if (peer.iceGatheringState === "complete") done(); };
  peer.addEventListener("icegatheringstatechange", look);
  look();
});

/** How loud and how high a remote track is now. */
function ear(context, track) {
  const stream = new MediaStream([track]), tap = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  // Chromium hands a remote track to Web Audio only while some media element has it.
  Object.assign(new Audio(), { srcObject: stream, muted: true }).play();
  context.createMediaStreamSource(stream).connect(tap);
  const spectrum = new Float32Array(tap.frequencyBinCount);
  return () => {
    tap.getFloatFrequencyData(spectrum);
    const at = spectrum.reduce((best, db, bin) => db > spectrum[best] ? bin : best, 0);
    return { db: spectrum[at], hz: at * context.sampleRate / tap.fftSize };
  };
}

async function offered(peer, url) {
  await peer.setLocalDescription(await peer.createOffer());
  await gathered(peer);
  const answer = await fetch(url, { method: "POST", headers: SDP, body: peer.localDescription.sdp });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return { name: answer.headers.get("id"), place: answer.headers.get("location") };
}

/** Publish; `lines` more lines of sound than the first one come back. */
globalThis.publish = async (url, { lines = 1, video = false } = {}) => {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...RAW, channelCount: 1 }, video });
  const context = new AudioContext(), peer = new RTCPeerConnection(), ears = new Map(), texts = [];
  await context.resume();
  peer.ontrack = ({ track, transceiver }) => {
    if (track.kind === "audio") ears.set(transceiver.mid, ear(context, track));
    else Object.assign(document.createElement("video"), { srcObject: new MediaStream([track]), muted: true }).play();
  };
  peer.addTransceiver(stream.getAudioTracks()[0], { direction: "sendrecv", streams: [stream] });
  for (let line = 0; line < lines; line++) peer.addTransceiver("audio", { direction: "recvonly" });
  if (video) peer.addTransceiver(stream.getVideoTracks()[0], { direction: "sendrecv", streams: [stream] });
  const channel = peer.createDataChannel("winnow.v1");
  channel.onmessage = ({ data }) => texts.push(JSON.parse(data));
  const { name, place } = await offered(peer, url);
  globalThis.heard = mid => ears.get(String(mid))?.() ?? { db: -Infinity, hz: 0 };
  globalThis.texts = texts;
  globalThis.say = message => channel.send(JSON.stringify(message));
  globalThis.pictures = async () => [...(await peer.getStats()).values()].find(one => one.type === "inbound-rtp" && one.kind === "video")?.framesDecoded ?? 0;
  globalThis.hangUp = async () => { const answer = await fetch(place, { method: "DELETE" }); peer.close(); return answer.status; };
  return name;
};

/** A second listener of the same track, by WHEP: its ear. */
globalThis.play = async url => {
  const context = new AudioContext(), peer = new RTCPeerConnection();
  await context.resume();
  const track = new Promise(done => { peer.ontrack = event => done(event.track); });
  peer.addTransceiver("audio", { direction: "recvonly" });
  await offered(peer, url);
  globalThis.played = ear(context, await track);
};

/** A captioner: the same track as 16-bit PCM; `globalThis.captioned()` is its root mean square, and how much came. */
globalThis.caption = url => {
  const socket = Object.assign(new WebSocket(url), { binaryType: "arraybuffer" });
  let count = 0, power = 0;
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") return;
    const samples = new Int16Array(data);
    count += samples.length;
    power = samples.reduce((sum, x) => sum + (x / 32768) ** 2, 0) / Math.max(1, samples.length);
  };
  globalThis.captioned = () => ({ count, rms: Math.sqrt(power) });
};
