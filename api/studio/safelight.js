/**
 * The browser client of a Safelight server: ES modules, no dependency, no build.
 *
 *     import { Safelight } from "/studio/safelight.js";
 *     const safelight = new Safelight();
 *     const job = await safelight.submit({ model: "scenes", input: { prompt: "a red house" } });
 *     const done = await safelight.wait(job.id, (job) => console.log(job.status, job.progress));
 *     picture.src = done.outputs[0].url;
 *
 * One WebSocket carries every watch. It comes back by itself, and while it cannot, the same jobs are polled.
 * A job never goes back in `seq`, nor in progress under the same `seq`, whichever way it came.
 */

import { Http, Problem } from "./http.js";
import { Link } from "./link.js";

export { Problem };
export const FINAL = new Set(["succeeded", "failed", "canceled", "expired"]);
const UNFINISHED = ["waiting", "queued", "running"];

const KEPT_JOBS = 5_000;
const UNHEARD_AFTER_MS = 1_500;
const STOPGAP_AFTER_MS = 1_000;
const POLL_EVERY_MS = 1_500;
const POLL_MOST_MS = 10_000;
const PAGE = 50;
const PAGE_MOST = 200;
const AT_ONCE = 4;
const IDS_IN_A_FRAME = 1_000;

/** Whether `next` is a later truth about a job than `known`. */
export function isLater(known, next) {
  if (!known || next.seq !== known.seq) return !known || next.seq > known.seq;
  return next.progress >= known.progress;
}

/** Fires `connection` events (see `connection`) while anything is watched, and `page` events with the newest
 *  `{jobs, next_cursor}` as `detail` each time `watchAll` begins, or begins again after an outage. */
export class Safelight extends EventTarget {
  /** `connecting`, `live` (the socket), `polling` (no socket, but the server answers) or `offline`. */
  connection = "connecting";
  #http;
  #link;
  #known = new Map(); // id → the latest state seen
  #gone = new Set();
  #watchers = new Map(); // id → listeners
  #everyone = new Set(); // listeners to all jobs
  #unheard = new Set(); // unfinished jobs that this connection has not spoken of yet
  #stopgap = 0;
  #sweeping = 0;
  #wake = (event) => {
    this.#link.nudge();
    const returned = event.type === "visibilitychange" && !document.hidden;
    if (returned && this.#everyone.size && this.#link.open) this.#look().catch(() => {});
  };

  /** @param {{url?: string, key?: string | null}} options  a key, where the server asks for one */
  constructor({ url = location.origin, key = null } = {}) {
    super();
    this.#http = new Http(url, key);
    const on = { opened: () => this.#opened(), heard: (frame) => this.#heard(frame), lost: () => this.#lost() };
    this.#link = new Link(() => this.#http.socketAddress(), on);
    addEventListener("online", this.#wake);
    addEventListener("offline", this.#wake); // only a hint: a server on this machine is still there
    addEventListener("pageshow", this.#wake);
    document.addEventListener("visibilitychange", this.#wake);
  }

  models = async () => (await this.#http.get("/v1/models")).models;
  stats = () => this.#http.get("/v1/stats");
  attempts = async (id) => (await this.#http.get(`${path(id)}/attempts`)).attempts;
  job = async (id) => this.#take(await this.#http.get(path(id)));
  cancel = async (id) => this.#take(await this.#http.post(`${path(id)}/cancel`, null, { tries: 3 }));
  retry = async (id) => this.#take(await this.#http.post(`${path(id)}/retry`));

  /** Queue all these jobs again: `{status: ["failed"], model, since, …}` as for POST /v1/jobs/retry. How many. */
  async retryAll(choice) {
    let [count, cursor] = [0, null];
    do {
      const done = await this.#http.post("/v1/jobs/retry", cursor ? { ...choice, cursor } : choice, { tries: 3 });
      [count, cursor] = [count + done.count, done.next_cursor];
    } while (cursor);
    if (!this.#link.open) await this.jobs({ status: UNFINISHED, limit: PAGE_MOST });
    return count;
  }

  /** A page of jobs, newest first: `{jobs, next_cursor}`. */
  async jobs(filter = {}) {
    const given = Object.entries(filter).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one]));
    const page = await this.#http.get(`/v1/jobs?${new URLSearchParams(given)}`);
    return { ...page, jobs: page.jobs.map((job) => this.#take(job)).filter(Boolean) };
  }

  /** Submit `{model, input, …}`. Sent again until it is answered; the key keeps it one job. */
  async submit(job, { idempotencyKey = newKey() } = {}) {
    const headers = { "Idempotency-Key": idempotencyKey };
    return this.#take(await this.#http.post("/v1/jobs", job, { tries: 7, headers }));
  }

  /** Bring a file, or a blob, for the inputs of jobs; they say its `reference`. */
  upload = (file) => this.#http.post("/v1/uploads", file);
  uploaded = (id) => this.#http.get(`/v1/uploads/${encodeURIComponent(id)}`);

  async delete(id) {
    await this.#http.delete(path(id));
    this.#forget(id);
  }

  /** Call `listener(job)` with the present state and every later one, `listener(null)` if it is deleted.
   *  Returns a function that ends it. */
  watch(id, listener) {
    const listeners = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, listeners.add(listener));
    if (this.#known.has(id)) listener(this.#known.get(id));
    this.#unheard.add(id);
    this.#link.start();
    this.#link.send({ type: "subscribe", ids: [id] });
    this.#sweepSoon();
    return () => {
      listeners.delete(listener);
      if (listeners.size || !this.#watchers.delete(id)) return;
      this.#link.send({ type: "unsubscribe", ids: [id] });
      this.#stopIfIdle();
    };
  }

  /** Call `listener(job, id)` with the newest and the unfinished jobs as they stand, then with every change of
   *  every job, `listener(null, id)` when one is gone. Returns a function that ends it. */
  watchAll(listener) {
    this.#everyone.add(listener);
    this.#link.start();
    if (this.#link.send({ type: "subscribe", all: true })) this.#look().catch(() => {});
    return () => {
      this.#everyone.delete(listener);
      this.#stopIfIdle();
    };
  }

  /** The job once it is final. Rejects if it is deleted, or when `signal` aborts. */
  wait(id, listener = () => {}, { signal } = {}) {
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => end(() => reject(signal.reason)));
      const stop = this.watch(id, (job) => {
        if (!job) return end(() => reject(new Problem(404, { detail: `There is no job ${id} any more.` })));
        listener(job);
        if (FINAL.has(job.status)) end(() => resolve(job));
      });
      const end = (settle) => queueMicrotask(() => (stop(), settle()));
    });
  }

  close() {
    for (const name of ["online", "offline", "pageshow"]) removeEventListener(name, this.#wake);
    document.removeEventListener("visibilitychange", this.#wake);
    this.#watchers.clear();
    this.#everyone.clear();
    this.#stopIfIdle();
  }

  /** The later of what is known and what came; null for a job that was deleted. */
  #take(job) {
    if (this.#gone.has(job.id)) return null;
    this.#unheard.delete(job.id);
    const known = this.#known.get(job.id);
    if (!isLater(known, job)) return known;
    this.#known.delete(job.id); // so that the map stays in the order of the last word
    this.#known.set(job.id, job);
    if (this.#known.size > KEPT_JOBS) this.#known.delete(this.#known.keys().next().value);
    for (const listener of this.#watchers.get(job.id) ?? []) listener(job);
    for (const listener of this.#everyone) listener(job, job.id);
    return job;
  }

  #forget(id) {
    this.#gone.add(id);
    this.#known.delete(id);
    this.#unheard.delete(id);
    for (const listener of this.#watchers.get(id) ?? []) listener(null);
    for (const listener of this.#everyone) listener(null, id);
  }

  #opened() {
    clearTimeout(this.#stopgap);
    this.#stopgap = 0;
    this.#become("live");
    this.#unheard = new Set(this.#unfinished());
    const ids = [...this.#watchers.keys()];
    while (ids.length) this.#link.send({ type: "subscribe", ids: ids.splice(0, IDS_IN_A_FRAME) });
    if (this.#everyone.size) {
      this.#link.send({ type: "subscribe", all: true });
      this.#look().catch(() => {});
    }
    this.#sweepSoon();
  }

  #heard(frame) {
    if (frame.job) this.#take(frame.job);
    else if (frame.type === "error" && frame.id && frame.problem.status === 404) this.#forget(frame.id);
  }

  #lost() {
    if (this.connection === "live") this.#become("connecting");
    if (!this.#stopgap) this.#stopgap = setTimeout(() => this.#poll(0), STOPGAP_AFTER_MS);
  }

  /** The socket is away: ask, until it is back. */
  async #poll(failures) {
    const stopgap = this.#stopgap;
    let delay = POLL_EVERY_MS;
    try {
      this.#unheard = new Set(this.#unfinished());
      if (this.#everyone.size) await this.#look();
      if (this.#unheard.size > AT_ONCE) await this.jobs({ status: UNFINISHED, limit: PAGE_MOST });
      await this.#ask();
      if (!this.#link.open) this.#become("polling");
      failures = 0;
    } catch {
      if (!this.#link.open) this.#become("offline");
      delay = Math.min(POLL_MOST_MS, 500 * 2 ** failures++) * (0.5 + Math.random() / 2);
    }
    if (this.#stopgap !== stopgap || this.#link.open) return;
    this.#stopgap = setTimeout(() => this.#poll(failures), delay);
  }

  /** What came, ended or was deleted while nobody listened. */
  async #look() {
    const finished = [...this.#known.values()].filter((job) => FINAL.has(job.status)).map((job) => job.id);
    const page = await this.jobs({ limit: PAGE });
    const listed = new Set(page.jobs.map((job) => job.id));
    const oldest = page.next_cursor ? page.jobs.at(-1)?.id : "";
    for (const id of finished) if (id >= oldest && !listed.has(id)) this.#forget(id);
    this.dispatchEvent(new CustomEvent("page", { detail: page }));
  }

  /** A job that ended, or went, while nobody listened is in no snapshot of unfinished ones: ask for it. */
  #sweepSoon() {
    this.#sweeping ||= setTimeout(() => {
      this.#sweeping = 0;
      if (this.#link.open) this.#ask().catch(() => this.#sweepSoon());
    }, UNHEARD_AFTER_MS);
  }

  async #ask() {
    const ids = [...this.#unheard];
    const asking = async () => {
      for (let id = ids.pop(); id; id = ids.pop()) {
        if (this.#unheard.has(id)) await this.#askFor(id);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, asking));
  }

  async #askFor(id) {
    try {
      await this.job(id);
    } catch (fault) {
      if (fault.status !== 404) throw fault;
      this.#forget(id);
    }
  }

  #unfinished() {
    const ids = new Set([...this.#watchers.keys(), ...(this.#everyone.size ? this.#known.keys() : [])]);
    return [...ids].filter((id) => !FINAL.has(this.#known.get(id)?.status));
  }

  #stopIfIdle() {
    if (this.#everyone.size || this.#watchers.size) return;
    clearTimeout(this.#stopgap);
    this.#stopgap = 0;
    this.#link.stop();
    this.#become("connecting");
  }

  #become(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.dispatchEvent(new CustomEvent("connection", { detail: connection }));
  }
}

function path(id) {
  return `/v1/jobs/${encodeURIComponent(id)}`;
}

/** `crypto.randomUUID` is there on HTTPS and loopback only. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
