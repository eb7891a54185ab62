// One WebSocket connection of winnow.v1. It speaks and listens; it decides nothing.
//
// A link of another kind (WebRTC) has the same face: send, sendSound, close, and the four callbacks.

import { packSound, unpackSound } from "./wire.js";

const OPENS_WITHIN_MS = 6000;

export class WebSocketLink {
  #socket;
  #format;
  #sequence = 0;
  #timer;

  /**
   * @param {string} url of /v1/live
   * @param {{encoding: string, sample_rate: number, channels: number}} format both ways
   * @param {string[]} protocols subprotocols to offer
   * @param {{open: Function, text: Function, sound: Function, close: Function}} on what is told, and to whom
   */
  constructor(url, format, protocols, on) {
    this.#format = format;
    const socket = this.#socket = new WebSocket(url, protocols);
    socket.binaryType = "arraybuffer";
    // A network that swallows packets refuses nothing: without a limit the browser waits for minutes.
    this.#timer = setTimeout(() => this.abandon(), OPENS_WITHIN_MS);
    socket.onopen = () => { clearTimeout(this.#timer); on.open(); };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") return on.text(JSON.parse(data));
      const heard = unpackSound(data, format);
      if (heard) on.sound(heard);
    };
    socket.onclose = ({ code }) => { clearTimeout(this.#timer); on.close(code); };
  }

  get ready() { return this.#socket.readyState === WebSocket.OPEN; }

  /** Seconds of sound that the network has not taken yet. */
  get waitingBytes() { return this.#socket.bufferedAmount; }

  send(message) { if (this.ready) this.#socket.send(JSON.stringify(message)); }

  sendSound(planar, pts) { if (this.ready) this.#socket.send(packSound(planar, this.#format, this.#sequence++, pts)); }

  /** Close without waiting for the other side, which may no longer be there. */
  abandon() {
    const socket = this.#socket, told = socket.onclose;
    clearTimeout(this.#timer);
    if (!told) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    told({ code: 1006 });
  }

  /** Close; nothing is told any more. */
  close() {
    clearTimeout(this.#timer);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }
}
