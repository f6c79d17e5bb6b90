/** The jobs this page knows, newest first, and how many of them the wall shows. */

import { FINAL } from "./safelight.js";

const PAGE = 50;
const WALL_MOST = 400; // beyond that, live arrivals push the oldest off the wall; "older" brings them back

export class Store {
  #jobs = new Map();
  #order = []; // ids, newest first: a UUIDv7 sorts by its creation
  #floor = null; // the oldest id that a page has brought: below it there are gaps
  #mark = undefined; // the newest id when the last page came, or when the connection was lost
  #seen = new WeakMap(); // job → when this state of it came
  #fresh = new Set(); // ids of jobs that this page saw finishing
  #limit = PAGE;
  /** Where the next older page begins; undefined before the first page, null after the last. */
  cursor = undefined;

  get(id) {
    return this.#jobs.get(id);
  }

  take(job) {
    const known = this.#jobs.get(job.id);
    if (known === job) return;
    if (known && !FINAL.has(known.status) && job.status === "succeeded") this.#fresh.add(job.id);
    this.#jobs.set(job.id, job);
    this.#seen.set(job, performance.now());
    if (!known) this.#insert(job.id);
  }

  remove(id) {
    if (this.#jobs.delete(id)) this.#order.splice(this.#place(id), 1);
  }

  /** The newest page, newest first. After an outage it may not reach back to what was known: then a gap lies
   *  below it, and the wall ends there until older pages are fetched. */
  takePage({ jobs, next_cursor: cursor }) {
    for (const job of jobs) this.take(job);
    const last = jobs.at(-1)?.id ?? "";
    if (this.#floor === null || last > this.#mark) this.#reach(last, cursor);
    this.mark();
  }

  takeOlder({ jobs, next_cursor: cursor }) {
    for (const job of jobs) this.take(job);
    this.#limit += jobs.length;
    this.#reach(jobs.at(-1)?.id ?? "", cursor);
  }

  /** Up to here nothing was missed. */
  mark() {
    this.#mark = this.#order[0];
  }

  /** What hangs on the wall: the newest, and whatever is being developed. */
  wall() {
    const newest = this.#order.slice(0, this.#limit).filter((id) => id >= this.#floor);
    const rest = this.#order.slice(newest.length).filter((id) => this.#jobs.get(id).status === "running");
    return [...newest, ...rest].map((id) => this.#jobs.get(id));
  }

  /** Whether there are jobs that the wall does not show. */
  get more() {
    return Boolean(this.cursor) || this.#order.length > this.#limit;
  }

  /** Show more of what is known already. False when a page must be fetched. */
  showMore() {
    if (this.#order.filter((id) => id >= this.#floor).length <= this.#limit) return false;
    this.#limit += PAGE;
    return true;
  }

  /** Jobs in a state, newest first. */
  having(...statuses) {
    return this.#order.map((id) => this.#jobs.get(id)).filter((job) => statuses.includes(job.status));
  }

  isFresh(id) {
    return this.#fresh.has(id);
  }

  /** Seconds left, counted down since the state came; null when unknown. */
  secondsLeft(job) {
    if (job.eta_s === null || job.eta_s === undefined) return null;
    return Math.max(0, job.eta_s - (performance.now() - (this.#seen.get(job) ?? performance.now())) / 1000);
  }

  #reach(last, cursor) {
    this.#floor = cursor ? last : "";
    this.cursor = cursor;
  }

  #insert(id) {
    const place = this.#place(id);
    this.#order.splice(place, 0, id);
    const arrived = this.cursor !== undefined && place < this.#limit;
    if (arrived) this.#limit = Math.min(Math.max(WALL_MOST, this.#limit), this.#limit + 1);
  }

  #place(id) {
    let [low, high] = [0, this.#order.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order[middle] > id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
