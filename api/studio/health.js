/** The health strip: what waits, who works, how fast it goes, and whether this page hears of it. */

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { icons } from "./icons.js";
import { duration } from "./words.js";

const EVERY_MS = 2_000;
const MISSING_EVERY_MS = 30_000;

const CONNECTION = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Server away",
};

export class Health {
  #stats = null;

  constructor(page) {
    this.page = page;
  }

  start() {
    document.addEventListener("visibilitychange", () => document.hidden || this.#look());
    this.#look();
  }

  template() {
    const { connection } = this.page.client;
    return html`<div class="health" aria-label="Health of the server" role="group">
      <p class="link" data-connection=${connection}><i aria-hidden="true"></i>${CONNECTION[connection]}</p>
      ${this.#stats ? figures(this.#stats) : nothing} ${flower(this.#stats?.flower_url)}
    </div>`;
  }

  #timer = 0;

  async #look() {
    clearTimeout(this.#timer);
    let again = EVERY_MS;
    try {
      this.#stats = await this.page.client.stats();
    } catch (fault) {
      this.#stats = null;
      if (fault.status === 404) again = MISSING_EVERY_MS;
    }
    this.page.draw();
    if (!document.hidden) this.#timer = setTimeout(() => this.#look(), again);
  }
}

function figures({ queues, workers, jobs_per_minute: rate, wait_s: wait, run_s: run, finished }) {
  const total = (name) => queues.reduce((sum, queue) => sum + queue[name], 0);
  const oldest = Math.max(0, ...queues.map((queue) => queue.oldest_queued_s ?? 0));
  return html`<dl>
    ${figure("In the queue", total("queued"), oldest >= 1 && `oldest ${duration(oldest)}`)}
    ${figure("Developing", total("running"))}
    ${figure("Workers", workers, workers === 0 && "none awake", workers === 0)}
    ${figure("Jobs a minute", rate >= 10 ? Math.round(rate) : Math.round(rate * 10) / 10)}
    ${figure("Wait p50 / p95", `${duration(wait.p50)} / ${duration(wait.p95)}`)}
    ${figure("Run p50 / p95", `${duration(run.p50)} / ${duration(run.p95)}`)}
    ${finished?.failed ? figure("Failed lately", finished.failed, null, true) : nothing}
  </dl>`;
}

function figure(name, value, note = null, bad = false) {
  return html`<div ?data-bad=${bad}>
    <dt>${name}</dt>
    <dd>${value}${note ? html` <small>${note}</small>` : nothing}</dd>
  </div>`;
}

/** On a page that came over the network, an address on the server's own loopback leads nowhere. */
function flower(url) {
  if (typeof url !== "string" || !/^https?:\/\//.test(url)) return nothing;
  const onLoopback = (name) => ["127.0.0.1", "localhost", "[::1]"].includes(name);
  if (onLoopback(new URL(url).hostname) && !onLoopback(location.hostname)) return nothing;
  return html`<a class="flower" href=${url} target="_blank" rel="noopener noreferrer">Flower ${icons.out}</a>`;
}
