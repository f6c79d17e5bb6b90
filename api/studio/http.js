/** The REST calls: problems as errors, back-off where the server or the network is away. */

import { parse, stringify } from "./numbers.js";

const PATIENCE_MS = 30_000;
const PATIENCE_FOR_FILES_MS = 600_000;
const WAIT_FIRST_MS = 300;
const WAIT_MOST_MS = 8_000;
const AWAY = new Set([429, 502, 503, 504]);

/** What the server refused, or 0 when it could not be reached. `errors` names each wrong field. */
export class Problem extends Error {
  constructor(status, { title, detail, errors } = {}) {
    super(detail || title || `The server answered ${status}.`);
    this.name = "Problem";
    this.status = status;
    this.errors = errors ?? [];
  }
}

export class Http {
  constructor(url, key) {
    this.url = new URL(url, location.href);
    this.key = key;
  }

  get = (path) => this.#send("GET", path, { tries: 3 });

  post = (path, body = null, options = {}) => this.#send("POST", path, { body, ...options });

  /** Gone already is as good as deleted. */
  async delete(path) {
    try {
      await this.#send("DELETE", path, { tries: 3 });
    } catch (fault) {
      if (fault.status !== 404) throw fault;
    }
  }

  /** Where to open a socket: with a key, by a ticket, since a browser's socket has no headers. */
  async socketAddress() {
    const address = new URL("/v1/ws", this.url);
    address.protocol = address.protocol.replace("http", "ws");
    if (this.key) {
      const { ticket } = await this.post("/v1/ws-tickets");
      address.searchParams.set("ticket", ticket);
    }
    return address.href;
  }

  async #send(method, path, { body = null, headers = {}, tries = 1 } = {}) {
    for (let failures = 0; ; failures++) {
      const answer = await this.#once(method, path, body, headers);
      if (answer.ok) return answer.body;
      const last = failures + 1 >= tries || !(answer.fault.status === 0 || AWAY.has(answer.fault.status));
      if (last) throw answer.fault;
      const most = Math.min(WAIT_MOST_MS, WAIT_FIRST_MS * 2 ** failures);
      await pause(Math.max(answer.retryAfterMs, most * (0.5 + Math.random() / 2)));
    }
  }

  async #once(method, path, body, headers) {
    const file = body instanceof Blob;
    const patience = AbortSignal.timeout(file ? PATIENCE_FOR_FILES_MS : PATIENCE_MS);
    const options = { method, headers: { ...headers }, signal: patience };
    if (this.key) options.headers.Authorization = `Bearer ${this.key}`;
    if (body !== null) {
      options.headers["Content-Type"] = file ? body.type || "application/octet-stream" : "application/json";
      options.body = file ? body : stringify(body);
    }
    let status = 0;
    try {
      const answer = await fetch(new URL(path, this.url), options);
      status = answer.status;
      const text = await answer.text();
      if (answer.ok) return { ok: true, body: text ? parse(text) : null };
      const retryAfterMs = 1000 * (Number.parseFloat(answer.headers.get("Retry-After")) || 0);
      return { ok: false, retryAfterMs, fault: new Problem(status, problemOf(text)) };
    } catch {
      return { ok: false, retryAfterMs: 0, fault: new Problem(0, { detail: "The server cannot be reached." }) };
    }
  }
}

function problemOf(text) {
  try {
    return parse(text) ?? {};
  } catch {
    return {};
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
