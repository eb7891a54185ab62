// A ZIP archive whose members are stored as they are: sound hardly gets smaller, and this needs no library.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

async function crc32(blob) {
  let crc = 0xffffffff;
  const reader = blob.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return (crc ^ 0xffffffff) >>> 0;
    for (let i = 0; i < value.length; i++) crc = TABLE[(crc ^ value[i]) & 255] ^ (crc >>> 8);
  }
}

function record(signature, fields, name) {
  const head = new ArrayBuffer(4 + fields.reduce((sum, [width]) => sum + width, 0)), view = new DataView(head);
  view.setUint32(0, signature, true);
  let at = 4;
  for (const [width, value] of fields) { width === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true); at += width; }
  return new Blob([head, name]);
}

/** @param {{name: string, blob: Blob}[]} files together below 4 GiB */
export async function zipFile(files) {
  const now = new Date(), parts = [], central = [];
  const time = now.getHours() << 11 | now.getMinutes() << 5 | now.getSeconds() >> 1;
  const date = (now.getFullYear() - 1980) << 9 | (now.getMonth() + 1) << 5 | now.getDate();
  let offset = 0;
  for (const { name, blob } of files) {
    const label = new TextEncoder().encode(name), crc = await crc32(blob);
    // Version 2.0, names in UTF-8 (bit 11), method 0: stored.
    const common = [[2, 20], [2, 0x800], [2, 0], [2, time], [2, date], [4, crc], [4, blob.size], [4, blob.size], [2, label.length], [2, 0]];
    const local = record(0x04034b50, common, label);
    parts.push(local, blob);
    central.push(record(0x02014b50, [[2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]], label));
    offset += local.size + blob.size;
  }
  const size = central.reduce((sum, entry) => sum + entry.size, 0), count = files.length;
  const end = record(0x06054b50, [[2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]], new Uint8Array());
  return new Blob([...parts, ...central, end], { type: "application/zip" });
}
