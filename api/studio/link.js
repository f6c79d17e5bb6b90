/** One WebSocket that stays: it notices silence, and comes back by itself with back-off and jitter. */

import { parse, stringify } from "./numbers.js";

const PING_EVERY_MS = 20_000;
const ANSWER_WITHIN_MS = 8_000;
const SOON_MS = 3_000;
const OPEN_WITHIN_MS = 10_000;
const WAIT_FIRST_MS = 250;
const WAIT_MOST_MS = 10_000;
const RESTARTING = 1012; // the server goes away on purpose: another one is there already

export class Link {
  #socket = null;
  #failures = 0;
  #timers = { retry: 0, ping: 0, silence: 0 };
  #stopped = true;

  /**
   * @param {() => Promise<string>} address   where to connect, asked anew each time: tickets are for one use
   * @param {{opened: () => void, heard: (frame: object) => void, lost: () => void}} on
   */
  constructor(address, on) {
    this.address = address;
    this.on = on;
  }

  get open() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  start() {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    this.#clear();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
  }

  /** False when there is nobody to send to just now. */
  send(frame) {
    if (!this.open) return false;
    this.#socket.send(stringify(frame));
    return true;
  }

  /** Something happened to the network, or the page was asleep: look at once. */
  nudge() {
    if (this.#stopped) return;
    if (this.open) this.#ping(SOON_MS);
    else if (this.#timers.retry) this.#connect();
  }

  async #connect() {
    this.#clear();
    let socket = null;
    const gone = () => this.#lost(socket);
    try {
      socket = new WebSocket(await this.address());
    } catch {
      return this.#lost(this.#socket);
    }
    if (this.#stopped) return socket.close();
    this.#socket = socket;
    this.#timers.silence = setTimeout(() => socket.close(), OPEN_WITHIN_MS);
    socket.onopen = () => this.#opened();
    socket.onmessage = (message) => this.#heard(socket, message.data);
    socket.onclose = (event) => {
      if (event.code === RESTARTING) this.#failures = 0;
      gone();
    };
  }

  #opened() {
    this.#failures = 0;
    this.#clear();
    this.#timers.ping = setInterval(() => this.#ping(ANSWER_WITHIN_MS), PING_EVERY_MS);
    this.on.opened();
  }

  #heard(socket, text) {
    if (socket !== this.#socket) return;
    clearTimeout(this.#timers.silence);
    let frame;
    try {
      frame = parse(text);
    } catch {
      return;
    }
    if (frame.type !== "pong") this.on.heard(frame);
  }

  #ping(within) {
    this.send({ type: "ping" });
    clearTimeout(this.#timers.silence);
    const socket = this.#socket;
    this.#timers.silence = setTimeout(() => {
      socket.close();
      this.#lost(socket); // a socket whose network is gone takes its time to say that it closed
    }, within);
  }

  #lost(socket) {
    if (socket !== this.#socket || this.#stopped) return;
    this.#socket = null;
    this.#clear();
    const most = Math.min(WAIT_MOST_MS, WAIT_FIRST_MS * 2 ** this.#failures++);
    this.#timers.retry = setTimeout(() => this.#connect(), most * (0.5 + Math.random() / 2));
    this.on.lost();
  }

  #clear() {
    clearTimeout(this.#timers.retry);
    clearInterval(this.#timers.ping);
    clearTimeout(this.#timers.silence);
    this.#timers = { retry: 0, ping: 0, silence: 0 };
  }
}
