// When to try again: soon at first, then calmly, and not all browsers in the same instant.

const DELAYS_S = [0.3, 1, 2, 4, 5];

export class Reconnect {
  #connect;
  #timer = 0;
  #attempt = 0;

  constructor(connect) { this.#connect = connect; }

  /** Plan the next attempt; the server may have said after how many seconds. */
  after(seconds = DELAYS_S[Math.min(this.#attempt, DELAYS_S.length - 1)]) {
    this.cancel();
    this.#attempt++;
    const wait = seconds * (0.9 + 0.2 * Math.random());
    this.#timer = setTimeout(() => this.now(), wait * 1000);
    return { attempt: this.#attempt, wait_s: wait };
  }

  now() {
    this.cancel();
    this.#connect();
  }

  succeeded() {
    this.cancel();
    this.#attempt = 0;
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#timer = 0;
  }
}
