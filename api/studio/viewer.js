/** The picture large, in a dialog: how it came to be, what can be done with it, and its neighbours. */

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { keyed } from "./vendor/lit-html/directives/keyed.js";
import { stringify } from "./numbers.js";
import { FINAL } from "./safelight.js";
import { icons } from "./icons.js";
import { asCurl, asPython } from "./snippets.js";
import { vars } from "./vars.js";
import { paper, stateOf } from "./wall.js";
import { bytes, duration, moment, ownUrl, promptOf } from "./words.js";

const MOST_ENLARGED = 2.25;
const KINDS = { image: "Picture", video: "Film", audio: "Sound" };

export class Viewer {
  #attempts = new Map(); // `id seq` → the attempts as they stood then
  output = 0; // which of the job's outputs

  constructor(page) {
    this.page = page;
  }

  /** The job on view, from the address. */
  get job() {
    return this.page.route.job ? (this.page.store.get(this.page.route.job) ?? null) : null;
  }

  template() {
    const { job } = this;
    return html`<dialog
      class="viewer"
      aria-label="Picture"
      @close=${() => this.page.leave()}
      @keydown=${this.#onKey}
      @click=${(event) => event.target === event.currentTarget && event.currentTarget.close()}
    >
      ${job ? this.#body(job) : nothing} ${this.page.notices.template()}
    </dialog>`;
  }

  /** After drawing: the dialog is open exactly when a job is on view. */
  settle() {
    const dialog = document.querySelector("dialog.viewer");
    if (this.job && !dialog.open) dialog.showModal();
    if (!this.job && dialog.open) dialog.close();
  }

  /** Move to a neighbour on the wall: +1 is older. */
  step(by) {
    const jobs = this.page.store.wall();
    const next = jobs[jobs.findIndex((job) => job.id === this.page.route.job) + by];
    if (!next) return;
    this.output = 0;
    this.page.show(next.id);
  }

  #body(job) {
    const jobs = this.page.store.wall();
    const place = jobs.findIndex((one) => one.id === job.id);
    const output = job.outputs[this.output] ?? job.outputs[0];
    return html`<div class="easel">
        <figure class="sheet" ${vars({ "--p": job.progress, ...size(job, output) })}>
          ${keyed(`${job.id} ${output?.url}`, large(this.page, job, output))}
        </figure>
        ${job.outputs.length > 1 ? this.#strip(job) : nothing}
        <button class="turn left" aria-label="Newer picture" ?disabled=${place <= 0} @click=${() => this.step(-1)}>
          ${icons.left}
        </button>
        <button
          class="turn right"
          aria-label="Older picture"
          ?disabled=${place < 0 || place >= jobs.length - 1}
          @click=${() => this.step(1)}
        >
          ${icons.right}
        </button>
      </div>
      <div class="notes">
        <button class="quiet close" aria-label="Close" @click=${(event) => event.target.closest("dialog").close()}>
          ${icons.cancel}
        </button>
        <p class="state" role="status" data-status=${job.status}>${stateOf(this.page, job).join(" · ")}</p>
        <h2>${promptOf(job)}</h2>
        ${job.error ? html`<p class="fault">${job.error.message}</p>` : nothing} ${this.#actions(job, output)}
        ${timings(job.timings)} ${this.#facts(job, output)}
      </div>`;
  }

  #strip(job) {
    return html`<div class="strip">
      ${job.outputs.map(
        (one, n) =>
          html`<button
            aria-label="Picture ${n + 1}"
            aria-pressed=${n === this.output}
            @click=${() => ((this.output = n), this.page.draw())}
          >
            <img src=${ownUrl(one.url) ?? nothing} alt="" loading="lazy" />
          </button>`,
      )}
    </div>`;
  }

  #actions(job, output) {
    const { page } = this;
    const sure = page.sure === job.id;
    const url = ownUrl(output?.url);
    const act = (label, icon, run, look = "") =>
      html`<button type="button" class=${look} @click=${run}>${icon}<span>${label}</span></button>`;
    return html`<div class="actions">
      ${FINAL.has(job.status) || job.cancel_requested ? nothing : act("Cancel", icons.cancel, () => page.cancel(job))}
      ${["failed", "canceled", "expired"].includes(job.status) ? act("Retry", icons.again, () => page.retry(job), "first") : nothing}
      ${job.status === "succeeded" ? act("Again with another seed", icons.shuffle, () => page.again(job), "first") : nothing}
      ${act("Use these settings", icons.settings, () => page.use(job))}
      ${url && page.composer.placeFor(output.media_type) ? act("Use as input", icons.attach, () => page.useOutput(job, job.outputs.indexOf(output))) : nothing}
      ${url ? html`<a class="button" href=${url} download=${fileName(job, output)}>${icons.download}<span>Download</span></a>` : nothing}
      ${act("Copy as curl", icons.copy, () => page.copy(asCurl(location.origin, job), "The curl command"))}
      ${act("Copy as Python", icons.copy, () => page.copy(asPython(location.origin, job), "The Python script"))}
      ${FINAL.has(job.status) ? act(sure ? "Really delete" : "Delete", icons.trash, () => page.remove(job), sure ? "sure" : "") : nothing}
    </div>`;
  }

  #facts(job, output) {
    const attempt = this.#attemptsOf(job).at(-1);
    const settings = Object.entries(job.input).filter(
      ([name, value]) => !["prompt", "seed"].includes(name) && value !== null,
    );
    const rows = [
      ["Seed", output?.seed ?? job.input.seed, String(output?.seed ?? job.input.seed ?? "")],
      ["Model", `${job.model} ${job.model_version}`],
      ...settings.map(([name, value]) => [
        name.replaceAll("_", " "),
        typeof value === "object" ? stringify(value) : String(value),
      ]),
      [
        KINDS[output?.media_type.split("/")[0]] ?? "Output",
        output &&
          [
            output.width && `${output.width} × ${output.height}`,
            output.duration_s && duration(output.duration_s),
            format(output),
            bytes(output.bytes),
          ]
            .filter(Boolean)
            .join(", "),
      ],
      ["SHA-256", output && `${output.sha256.slice(0, 12)}…`, output?.sha256],
      [
        "Made by",
        attempt && `${attempt.worker}, attempt ${attempt.number}${job.attempt > 1 ? ` of ${job.attempt}` : ""}`,
      ],
      ["Asked for", moment(job.created_at)],
      ["Finished", job.finished_at && moment(job.finished_at)],
      ["Job", `${job.id.slice(0, 13)}…`, job.id],
    ];
    return html`<dl class="facts">
      ${rows
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(
          ([name, value, whole]) =>
            html`<div>
              <dt>${name}</dt>
              <dd title=${whole ?? nothing}>
                ${String(value)}${
                  whole
                    ? html`<button
                        class="quiet"
                        aria-label="Copy ${name}"
                        title="Copy"
                        @click=${() => this.page.copy(whole, name)}
                      >
                        ${icons.copy}
                      </button>`
                    : nothing
                }
              </dd>
            </div>`,
        )}
    </dl>`;
  }

  #attemptsOf(job) {
    const key = `${job.id} ${job.seq}`;
    if (job.attempt > 0 && !this.#attempts.has(key)) {
      this.#attempts.set(key, []);
      this.page.client.attempts(job.id).then(
        (attempts) => (this.#attempts.set(key, attempts), this.page.draw()),
        () => {},
      );
    }
    return this.#attempts.get(key) ?? [];
  }

  #onKey = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.target.matches("input, textarea, video, audio")) return;
    event.preventDefault();
    this.step(by);
  };
}

function large(page, job, output) {
  const url = ownUrl(output?.url);
  const kind = url && output.media_type.split("/")[0];
  if (kind === "video") return html`<video src=${url} controls loop playsinline></video>`;
  if (kind === "audio") return html`<audio src=${url} controls></audio>`;
  return paper(page, job, output);
}

/** Where the time went, as a bar of three parts. */
function timings({ queued_s: queued, load_s: load, run_s: run, total_s: total }) {
  const parts = [
    ["queued", queued],
    ["load", load],
    ["run", run],
  ].filter(([, seconds]) => seconds > 0);
  return html`<div class="timings">
    <div class="timeline" aria-hidden="true">
      ${parts.map(([name, seconds]) => html`<i data-part=${name} ${vars({ "--s": seconds })}></i>`)}
    </div>
    <dl>
      ${[...parts, ["total", total]].map(
        ([name, seconds]) =>
          html`<div data-part=${name}>
            <dt>${name}</dt>
            <dd>${duration(seconds)}</dd>
          </div>`,
      )}
    </dl>
  </div>`;
}

/** Small pictures are not blown up beyond recognition. */
function size(job, output) {
  const [width, height] = [output?.width ?? job.input.width, output?.height ?? job.input.height];
  const known = width > 0 && height > 0;
  return {
    "--ratio": known ? `${width} / ${height}` : "1",
    "--most": known && width > 48 ? `${width * MOST_ENLARGED}px` : "32rem",
  };
}

/** "image/png" → "PNG". */
function format(output) {
  return output.media_type.split("/").at(-1).toUpperCase();
}

function fileName(job, output) {
  const words = promptOf(job)
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, "-")
    .slice(0, 40)
    .replace(/^-|-$/g, "");
  return `${words || job.model}-${output.seed ?? job.id.slice(-8)}.${output.media_type.split("/")[1]?.replace("jpeg", "jpg") ?? "bin"}`;
}
