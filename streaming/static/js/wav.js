// A WAV file as a Blob: PCM of 16 bits or of 32-bit floats, with the place of its first sample in the take.
//
// The `bext` chunk (EBU Tech 3285) holds that place as TimeReference, so that an editor can put tracks that began at
// different times where they belong.

const BEXT_BYTES = 602;

/**
 * @param {Blob[]|ArrayBuffer[]} parts interleaved PCM, `bytes` in all
 * @param {{encoding: string, sample_rate: number, channels: number}} format
 * @param {number} start samples since the take began
 */
export function wavFile(parts, bytes, format, start, description) {
  const float = format.encoding === "pcm_f32le", width = float ? 4 : 2, pad = bytes % 2;
  const head = new ArrayBuffer(12 + 8 + BEXT_BYTES + 8 + 16 + 8), view = new DataView(head);
  let at = 0;
  const text = (value, length = value.length) => {
    for (let i = 0; i < length; i++) view.setUint8(at + i, i < value.length ? value.charCodeAt(i) & 0x7f : 0);
    at += length;
  };
  const u16 = value => { view.setUint16(at, value, true); at += 2; };
  const u32 = value => { view.setUint32(at, value, true); at += 4; };
  text("RIFF"); u32(head.byteLength - 8 + bytes + pad); text("WAVE");
  text("bext"); u32(BEXT_BYTES);
  text(description, 256); text("Winnow", 32); text("", 32);
  const now = new Date().toISOString();
  text(now.slice(0, 10), 10); text(now.slice(11, 19), 8);
  u32(start % 2 ** 32); u32(Math.floor(start / 2 ** 32)); u16(0);
  at += BEXT_BYTES - 348;
  text("fmt "); u32(16); u16(float ? 3 : 1); u16(format.channels); u32(format.sample_rate);
  u32(format.sample_rate * format.channels * width); u16(format.channels * width); u16(8 * width);
  text("data"); u32(bytes);
  return new Blob([head, ...parts, ...(pad ? [new Uint8Array(1)] : [])], { type: "audio/wav" });
}
