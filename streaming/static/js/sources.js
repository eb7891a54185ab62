// Where sound comes from: an audio node, what the browser says of its latency, and how to begin and end it.

import { KeyNeeded, ServerGone, demoScene, demoSound } from "./server.js";

export class SourceDenied extends Error {
  constructor(kind, reason) { super(reason); this.kind = kind; this.reason = reason; }
}

/** Sound as it is: the browser's own noise reduction would take away what the model is asked for. */
const RAW = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const OPENERS = { mic: microphone, tab: tabAudio, file: fileSound, demo: demoSounding };

/** @returns {Promise<{node: AudioNode, channels: number, note: string, latencyMs: number|null, play: Function, pause: Function, stop: Function, onend: Function|null, name: string}>} */
export async function openSource(kind, context, given) {
  try { return await OPENERS[kind](context, given); }
  catch (error) {
    if ([SourceDenied, KeyNeeded, ServerGone].some(known => error instanceof known)) throw error;
    throw new SourceDenied(kind, `The browser could not open this source: ${error.message}`);
  }
}

async function microphone(context) {
  if (!navigator.mediaDevices?.getUserMedia) throw new SourceDenied("mic", "insecure");
  let stream;
  try { stream = await navigator.mediaDevices.getUserMedia({ audio: { ...RAW, channelCount: { ideal: 1 }, latency: { ideal: 0 } } }); }
  catch (error) { throw new SourceDenied("mic", error.name === "NotFoundError" ? "absent" : error.name === "NotReadableError" ? "busy" : "denied"); }
  return streamed("mic", context, stream, 1, "headphones keep the loudspeaker out of it");
}

async function tabAudio(context) {
  if (!navigator.mediaDevices?.getDisplayMedia) throw new SourceDenied("tab", "unsupported");
  let stream;
  // A picture must be asked for, or browsers offer no tab at all; it is dropped at once.
  try { stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: { ...RAW, suppressLocalAudioPlayback: true }, systemAudio: "include" }); }
  catch (error) { throw new SourceDenied("tab", { NotAllowedError: "denied", NotReadableError: "busy", AbortError: "busy" }[error.name] ?? "unsupported"); }
  for (const track of stream.getVideoTracks()) { track.stop(); stream.removeTrack(track); }
  if (!stream.getAudioTracks().length) throw new SourceDenied("tab", "silent");
  return streamed("tab", context, stream, stream.getAudioTracks()[0].getSettings().channelCount === 2 ? 2 : 1, "the tab's own sound is turned off where the browser can");
}

function streamed(kind, context, stream, channels, note) {
  const [track] = stream.getAudioTracks(), { latency } = track.getSettings();
  let node;
  try { node = context.createMediaStreamSource(stream); }
  catch (error) {
    // Some browsers join no device to a context of another rate. It must not stay open for that.
    for (const one of stream.getTracks()) one.stop();
    throw error;
  }
  const source = {
    kind, channels, note, name: track.label, onend: null, node, stream,
    // In seconds; browsers that do not tell it leave it out.
    latencyMs: typeof latency === "number" && latency > 0 ? 1000 * latency : null,
    play() {}, pause() {}, stop() { track.onended = null; for (const one of stream.getTracks()) one.stop(); },
  };
  track.onended = () => source.onend?.();
  return source;
}

async function fileSound(context, file) {
  const element = new Audio(), url = URL.createObjectURL(file);
  element.src = url;
  element.preservesPitch = true;
  try { await new Promise((done, failed) => { element.onloadedmetadata = done; element.onerror = () => failed(new SourceDenied("file", "unreadable")); }); }
  catch (error) { URL.revokeObjectURL(url); throw error; }
  const source = {
    kind: "file", channels: 2, name: file.name, note: file.name, latencyMs: 0, onend: null, node: context.createMediaElementSource(element),
    async play() {
      if (element.ended) element.currentTime = 0;
      try { await element.play(); }
      // A pause that comes before it has begun is no failure.
      catch (error) { if (error.name !== "AbortError") throw new SourceDenied("file", "unreadable"); }
    },
    pause() { element.pause(); },
    stop() { element.pause(); element.onended = null; element.removeAttribute("src"); URL.revokeObjectURL(url); },
  };
  element.onended = () => source.onend?.();
  return source;
}

async function demoSounding(context) {
  const [scene, file] = await Promise.all([demoScene(), demoSound()]);
  const buffer = await context.decodeAudioData(file), node = context.createBufferSource();
  node.buffer = buffer;
  node.loop = true;
  let begun = false;
  return {
    kind: "demo", channels: buffer.numberOfChannels, name: scene.title, note: scene.title, latencyMs: 0, onend: null, node, prompt: scene.prompt, scene,
    play() { if (!begun) { begun = true; node.start(); } }, pause() {}, stop() { if (begun) node.stop(); },
  };
}
