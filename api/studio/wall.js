/** The wall: one card for each job, newest first. A card is drawn again only when its own job has moved. */

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { guard } from "./vendor/lit-html/directives/guard.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { FINAL } from "./safelight.js";
import { icons } from "./icons.js";
import { vars } from "./vars.js";
import { STATUS, duration, inLine, ownUrl, percent, promptOf, remaining } from "./words.js";

const RETRIED = new Set(["failed", "canceled", "expired"]);

/** @param {object} page  the store, what can be done with a job, and the second that ticks */
export function wall(page) {
  const jobs = page.store.wall();
  const working = page.store.having("running").length;
  const queued = page.store.having("queued", "waiting").length;
  return html`<section class="wall" aria-labelledby="wall-title">
    <header class="wall-head">
      <h1 id="wall-title">The wall</h1>
      <p class="about">
        ${[working && `${working} developing`, queued && `${queued} waiting`].filter(Boolean).join(" · ")}
      </p>
    </header>
    ${jobs.length === 0 && page.store.cursor !== undefined ? empty(page) : nothing}
    <ul class="cards">
      ${repeat(
        jobs,
        (job) => job.id,
        (job) => guard(movesWith(page, job), () => card(page, job)),
      )}
    </ul>
    ${
      page.store.more
        ? html`<button class="older" ?disabled=${page.fetching} @click=${() => page.showOlder()}>
            Older pictures
          </button>`
        : nothing
    }
  </section>`;
}

function movesWith(page, job) {
  return [job, FINAL.has(job.status) ? 0 : page.second, page.sure === job.id, page.store.isFresh(job.id)];
}

function card(page, job) {
  const words = promptOf(job);
  const state = stateOf(page, job);
  return html`<li
    class="card"
    data-id=${job.id}
    data-status=${job.status}
    ${vars({ "--p": job.progress, ...latent(job) })}
  >
    <a class="print" href="#job/${job.id}" aria-label="${words}. ${state.join(", ")}">${paper(page, job)}</a>
    <div class="caption">
      <p class="words" title=${words}>${words}</p>
      <p class="state">
        <span class="status">${state[0]}</span>${state.slice(1).map((one) => html` <span>${one}</span>`)}
      </p>
    </div>
    <div class="acts">${acts(page, job)}</div>
  </li>`;
}

/** The sheet: blank while queued, a picture growing out of it, the picture. */
export function paper(page, job, output = job.outputs[0]) {
  const preview = FINAL.has(job.status) ? null : ownUrl(job.preview_url);
  const running = job.status === "running";
  return html`<span class="paper" data-state=${job.status} ?data-fresh=${page.store.isFresh(job.id)}>
    ${running ? html`<span class="latent"></span>` : nothing}
    ${preview ? html`<img class="preview" src=${preview} alt="" @load=${came} @error=${came} />` : nothing}
    ${output ? picture(job, output) : nothing}
    ${
      running
        ? html`<span
            class="bar"
            role="progressbar"
            aria-label="Progress"
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=${Math.round(100 * job.progress)}
          ></span>`
        : nothing
    }
  </span>`;
}

/** A preview lives shortly: until one has come, and when it is gone already, the shapes show instead. A picture
 *  may have been deleted. */
function came({ type, target }) {
  target.toggleAttribute("data-come", type === "load");
  target.toggleAttribute("data-lost", type === "error");
}

function picture(job, output) {
  const url = ownUrl(output.url);
  if (!url) return nothing;
  const kind = output.media_type.split("/")[0];
  if (kind === "video")
    return html`<video class="picture" src=${url} muted loop playsinline preload="metadata"></video>`;
  if (kind === "audio") return html`<span class="sound">♪</span>`;
  return html`<img
    class="picture"
    src=${url}
    alt=${promptOf(job)}
    loading="lazy"
    decoding="async"
    width=${output.width ?? nothing}
    height=${output.height ?? nothing}
    ?data-tiny=${output.width && output.width < 48}
    @error=${came}
    @load=${came}
  />`;
}

/** The state in words: what it is, and what there is to say of it. */
export function stateOf(page, job) {
  const left = page.store.secondsLeft(job);
  const more = {
    waiting: () => ["for other jobs"],
    queued: () => [
      job.error && `attempt ${job.attempt} failed`,
      Number.isFinite(job.queue_position) && inLine(job.queue_position),
      left !== null && remaining(left, false),
    ],
    running: () => [job.cancel_requested ? "stopping" : stepsOf(job), left !== null && remaining(left, true)],
    succeeded: () => [job.cached ? "from the cache" : duration(job.timings.run_s)],
    failed: () => [job.error?.code.replaceAll("_", " ")],
    canceled: () => [],
    expired: () => ["past its deadline"],
  };
  return [STATUS[job.status] ?? job.status, ...(more[job.status]?.() ?? [])].filter(Boolean);
}

function stepsOf({ step, steps, progress }) {
  if (progress === 0) return "warming up";
  return steps > 1 ? `${step}/${steps}` : percent(progress);
}

function acts(page, job) {
  const sure = page.sure === job.id;
  const named = (label, icon, run, extra = "") =>
    html`<button
      type="button"
      class="act ${extra}"
      title=${label}
      aria-label="${label}: ${promptOf(job)}"
      @click=${run}
    >
      ${icon}
    </button>`;
  if (!FINAL.has(job.status)) {
    return job.cancel_requested ? nothing : named("Cancel", icons.cancel, () => page.cancel(job));
  }
  return html` ${RETRIED.has(job.status) ? named("Retry", icons.again, () => page.retry(job)) : nothing}
  ${job.status === "succeeded" ? named("Again with another seed", icons.shuffle, () => page.again(job)) : nothing}
  ${named(sure ? "Really delete" : "Delete", sure ? "Sure?" : icons.trash, () => page.remove(job), sure ? "sure" : "")}`;
}

/** Where the shapes of a picture lie before there are any: different for each job, the same each time. */
function latent(job) {
  const tail = Number.parseInt(job.id.replaceAll("-", "").slice(-8), 16) || 0;
  return { "--x": `${(tail % 80) + 10}%`, "--y": `${((tail >> 8) % 60) + 20}%`, "--turn": `${(tail >> 4) % 360}deg` };
}

function empty(page) {
  const { composer } = page;
  const examples = composer.examples.length ? composer.examples : [];
  return html`<div class="empty">
    <p class="invitation">The paper is <em>still blank.</em></p>
    <p class="about">Write what you would like to see, or begin with one of these.</p>
    <ul class="starters">
      ${examples.map(
        (one) =>
          html`<li>
            <button type="button" @click=${() => composer.send(one)}>
              <span>${one}</span><small>Develop this</small>
            </button>
          </li>`,
      )}
    </ul>
  </div>`;
}
