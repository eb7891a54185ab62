// Binary messages of winnow.v1: a header of 16 bytes, little-endian, then interleaved PCM.
// Inside the page sound is planar: Float32Array of channels · n, channel after channel.

export const HEADER_BYTES = 16;
const VERSION = 1, AUDIO = 0;
const BYTES = { pcm_s16le: 2, pcm_f32le: 4 };

export const FLAG_LAST = 1, FLAG_DISCONTINUITY = 2;

/** Bytes of one sample of all channels. */
export const frameBytes = format => BYTES[format.encoding] * format.channels;

/** One message of sound for the server. */
export function packSound(planar, format, sequence, pts) {
  const { channels, encoding } = format, count = planar.length / channels;
  const message = new ArrayBuffer(HEADER_BYTES + planar.length * BYTES[encoding]), view = new DataView(message);
  view.setUint8(0, VERSION);
  view.setUint8(1, AUDIO);
  view.setUint32(4, sequence >>> 0, true);
  view.setBigInt64(8, BigInt(pts), true);
  const out = encoding === "pcm_f32le" ? new Float32Array(message, HEADER_BYTES) : new Int16Array(message, HEADER_BYTES);
  const scale = encoding === "pcm_f32le" ? 1 : 32767;
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0, at = channel, from = channel * count; i < count; i++, at += channels) {
      const value = planar[from + i] * scale;
      out[at] = scale === 1 ? value : Math.max(-32768, Math.min(32767, Math.round(value)));
    }
  }
  return message;
}

/** One message of sound from the server; `payload` is what came, `samples` the same, planar. */
export function unpackSound(message, format) {
  const view = new DataView(message);
  if (view.getUint8(0) !== VERSION || view.getUint8(1) !== AUDIO) return null;
  const { channels, encoding } = format, payload = message.slice(HEADER_BYTES);
  const data = encoding === "pcm_f32le" ? new Float32Array(payload) : new Int16Array(payload);
  const scale = encoding === "pcm_f32le" ? 1 : 1 / 32768, count = data.length / channels;
  const samples = new Float32Array(data.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0, at = channel, to = channel * count; i < count; i++, at += channels) samples[to + i] = data[at] * scale;
  }
  return { track: view.getUint8(2), flags: view.getUint8(3), pts: Number(view.getBigInt64(8, true)), count, samples, payload };
}
