/** The page of failed jobs: why, every attempt with its traceback, retry one or all, delete. */

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { icons } from "./icons.js";
import { counted, duration, moment, promptOf } from "./words.js";

const PAGE = 50;

const OUTCOMES = {
  succeed: "succeeded",
  fail: "failed for good",
  "retry later": "failed, to be tried again",
  "hand back": "handed back",
  stop: "stopped",
  lose: "lost, to be tried again",
  "give up": "lost for good",
};

export class Failed {
  #attempts = new Map(); // `id seq` → attempts, once they were asked for
  #cursor = undefined;
  retrying = false;

  constructor(page) {
    this.page = page;
  }

  /** Somebody looks: fetch the first page of failed jobs. */
  enter() {
    this.#cursor = undefined;
    return this.load();
  }

  async load() {
    const found = await this.page.client.jobs({ status: "failed", limit: PAGE, cursor: this.#cursor });
    this.#cursor = found.next_cursor;
    this.page.draw();
  }

  template() {
    const jobs = this.page.store.having("failed");
    return html`<section class="failures" aria-labelledby="failed-title">
      <header class="wall-head">
        <h1 id="failed-title">Failed</h1>
        <p class="about">${jobs.length ? counted(jobs.length, "job") + (this.#cursor ? " and more" : "") : ""}</p>
        ${
          jobs.length
            ? html`<button class="button" ?disabled=${this.retrying} @click=${() => this.retryAll()}>
                ${icons.again}<span>Retry all</span>
              </button>`
            : nothing
        }
      </header>
      ${
        jobs.length === 0 && this.#cursor === null
          ? html`<div class="empty">
              <p class="invitation">Nothing <em>has failed.</em></p>
              <p class="about">When a job has used up its attempts, it is here with its reasons.</p>
            </div>`
          : nothing
      }
      <ul class="rows">
        ${repeat(
          jobs,
          (job) => job.id,
          (job) => this.#row(job),
        )}
      </ul>
      ${this.#cursor ? html`<button class="older" @click=${() => this.page.attempt(this.load())}>Older failures</button>` : nothing}
    </section>`;
  }

  /** Every failed job, also those on pages that nobody has looked at. */
  async retryAll() {
    this.retrying = true;
    this.page.draw();
    await this.page.attempt(this.#retryAll());
    this.retrying = false;
    this.page.draw();
  }

  async #retryAll() {
    const retried = await this.page.client.retryAll({ status: ["failed"] });
    this.page.say(`${counted(retried, "job")} queued again.`);
    await this.enter();
  }

  #row(job) {
    const sure = this.page.sure === job.id;
    return html`<li class="row" data-id=${job.id} data-status=${job.status}>
      <div class="why">
        <a class="words" href="#job/${job.id}">${promptOf(job)}</a>
        <p class="fault">
          <strong>${job.error?.code.replaceAll("_", " ") ?? "failed"}</strong> ${job.error?.message ?? ""}
        </p>
        <p class="about">
          ${job.model} ${job.model_version} · ${moment(job.finished_at)} · ${counted(job.attempt, "attempt")}
        </p>
      </div>
      <div class="row-acts">
        <button class="button" @click=${() => this.page.retry(job)}>${icons.again}<span>Retry</span></button>
        <button class="button ${sure ? "sure" : ""}" @click=${() => this.page.remove(job)}>
          ${icons.trash}<span>${sure ? "Really delete" : "Delete"}</span>
        </button>
      </div>
      <details @toggle=${(event) => event.target.open && this.#ask(job)}>
        <summary>${icons.chevron} Attempts</summary>
        ${this.#history(job)}
      </details>
    </li>`;
  }

  #history(job) {
    const attempts = this.#attempts.get(`${job.id} ${job.seq}`);
    if (!attempts) return html`<p class="about">Asking…</p>`;
    return html`<ol class="attempts">
      ${attempts.map(
        (one) =>
          html`<li>
            <p>
              <strong>Attempt ${one.number}</strong> on ${one.worker},
              ${OUTCOMES[one.outcome] ?? one.outcome ?? "running"}
              <span class="about"
                >${moment(one.started_at)}${one.finished_at ? `, ${duration((new Date(one.finished_at) - new Date(one.started_at)) / 1000)}` : ""}</span
              >
            </p>
            ${one.error ? html`<p class="fault">${one.error.code.replaceAll("_", " ")}: ${one.error.message}</p>` : nothing}
            ${one.details ? html`<pre tabindex="0" aria-label="Traceback of attempt ${one.number}">${one.details}</pre>` : nothing}
          </li>`,
      )}
    </ol>`;
  }

  async #ask(job) {
    const key = `${job.id} ${job.seq}`;
    if (this.#attempts.has(key)) return;
    this.#attempts.set(key, await this.page.client.attempts(job.id));
    this.page.draw();
  }
}
