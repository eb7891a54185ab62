// Where the spectrograms are drawn: in a worker, or here where the browser has no OffscreenCanvas.

const OFFSCREEN = "OffscreenCanvas" in globalThis && "transferControlToOffscreen" in HTMLCanvasElement.prototype;

/** @returns {Promise<{send: (message: object, transfer?: Transferable[]) => void, control: (canvas: HTMLCanvasElement) => object}>} */
export async function startDrawing(tell) {
  if (OFFSCREEN) {
    const worker = new Worker(new URL("./spectrogram_worker.js", import.meta.url), { type: "module", name: "spectrograms" });
    worker.onmessage = ({ data }) => tell(data);
    return { send: (message, transfer = []) => worker.postMessage(message, transfer), control: canvas => canvas.transferControlToOffscreen() };
  }
  const { Spectrograms } = await import("./spectrograms.js");
  const spectrograms = new Spectrograms(tell, (width, height) => Object.assign(document.createElement("canvas"), { width, height }));
  const loop = now => { spectrograms.frame(now); requestAnimationFrame(loop); };
  requestAnimationFrame(loop);
  return { send: message => deliver(spectrograms, message), control: canvas => canvas };
}

function deliver(spectrograms, message) {
  if (message.do !== "ports") return spectrograms.handle(message);
  for (const port of message.ports) port.onmessage = ({ data }) => {
    if (data.clock) spectrograms.clock(data);
    else spectrograms.sound(data.track ? data : { ...data, track: "input" });
  };
}
