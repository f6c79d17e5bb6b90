/** The Studio's composition root: opens the client, the store and the parts, and draws them together. */

import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { Composer } from "./composer.js";
import { Failed } from "./failed.js";
import { Health } from "./health.js";
import { icons } from "./icons.js";
import { stacked } from "./layout.js";
import { FINAL, Safelight } from "./safelight.js";
import { Store } from "./store.js";
import { Viewer } from "./viewer.js";
import { wall } from "./wall.js";
import { copyText } from "./clipboard.js";
import { Notices } from "./notices.js";
import { promptOf } from "./words.js";

const SURE_FOR_MS = 4_000;
const MOST_SUBMITS_AT_ONCE = 4;

/** What the parts see of each other, and what can be done. */
class Page {
  client = new Safelight();
  store = new Store();
  models = [];
  route = { name: "wall", job: null };
  second = 0; // ticks while something is unfinished: estimates count down by it
  sure = null; // the job whose deletion waits for a second click
  fetching = false;
  #drawing = false;
  #opened = false; // whether the picture on view was opened from this page, so that Back closes it
  #root = document.getElementById("studio");

  constructor() {
    this.notices = new Notices(() => this.draw());
    this.composer = new Composer(this);
    this.viewer = new Viewer(this);
    this.failed = new Failed(this);
    this.health = new Health(this);
  }

  async start() {
    addEventListener("hashchange", () => {
      const before = this.route.job;
      this.#follow();
      this.#opened = Boolean(this.route.job) && (this.#opened || !before);
    });
    stacked.addEventListener("change", this.draw);
    this.client.addEventListener("connection", () => (this.store.mark(), this.draw()));
    this.client.addEventListener("page", ({ detail }) => (this.store.takePage(detail), this.draw()));
    this.client.watchAll((job, id) => this.#changed(job, id));
    this.health.start();
    this.#follow();
    setInterval(() => this.store.having("queued", "running").length && (this.second++, this.draw()), 1000);
    await this.#learnModels();
  }

  /** Draw once in the next frame, however much has changed by then. */
  draw = () => {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      render(this.#template(), this.#root);
      this.viewer.settle();
      document.title = this.#title();
    });
  };

  say = (words, kind = "done") => this.notices.say(words, kind);

  /** Say what went wrong, and go on. True when nothing did. */
  async attempt(promise) {
    try {
      await promise;
      return true;
    } catch (fault) {
      this.say(fault.message, "fault");
      return false;
    }
  }

  submit = async (jobs) => {
    const left = [...jobs];
    const work = async () => {
      for (let job = left.shift(); job; job = left.shift()) await this.client.submit(job);
    };
    await Promise.all(Array.from({ length: Math.min(MOST_SUBMITS_AT_ONCE, jobs.length) }, work));
    if (this.route.name !== "wall") location.hash = "";
    this.notices.hear(jobs.length === 1 ? "Submitted." : `${jobs.length} jobs submitted.`);
    if (stacked.matches) document.getElementById("main").scrollIntoView();
  };

  cancel = (job) => this.attempt(this.client.cancel(job.id));

  retry = async (job) => {
    if (await this.attempt(this.client.retry(job.id))) this.say("Queued again.");
  };

  /** The same job with a seed that the server draws. */
  again = async (job) => {
    const { seed: _, ...input } = job.input;
    const done = await this.attempt(this.client.submit({ model: `${job.model}@${job.model_version}`, input }));
    if (done) this.say("Submitted with another seed.");
  };

  use = (job) => {
    this.leave();
    this.composer.use(job);
    this.say("The settings are in the form.");
  };

  useOutput = (job, index) => {
    this.leave();
    this.composer.useOutput(job, index);
    this.say("It is in the form.");
  };

  /** The first call asks whether it is meant, the second deletes. */
  remove = async (job) => {
    if (this.sure !== job.id) {
      this.sure = job.id;
      setTimeout(() => this.sure === job.id && ((this.sure = null), this.draw()), SURE_FOR_MS);
      this.notices.hear("Press again to delete.");
      return this.draw();
    }
    this.sure = null;
    if (await this.attempt(this.client.delete(job.id))) this.say("Deleted.");
  };

  copy = async (text, what) => {
    if (await copyText(text)) this.say(`${what} is on the clipboard.`);
    else this.say("The browser does not let this page copy.", "fault");
  };

  /** Put a job on view in place of the one that is. */
  show(id) {
    history.replaceState(null, "", `#job/${id}`);
    this.#follow();
  }

  /** Back to the page below the picture. */
  leave() {
    if (!this.route.job) return;
    if (this.#opened) history.back();
    else history.replaceState(null, "", this.route.name === "failed" ? "#failed" : location.pathname);
    this.route = { ...this.route, job: null };
    this.draw();
  }

  showOlder() {
    if (this.store.showMore()) return this.draw();
    this.fetching = true;
    const fetched = this.client.jobs({ limit: 50, cursor: this.store.cursor });
    return this.attempt(fetched.then((page) => this.store.takeOlder(page))).finally(() => {
      this.fetching = false;
      this.draw();
    });
  }

  #follow() {
    if (location.hash === "#main") return; // the skip link's
    const [, id] = /^#job\/([\w-]+)$/.exec(location.hash) ?? [];
    const name = id ? this.route.name : location.hash === "#failed" ? "failed" : "wall";
    if (name === "failed" && this.route.name !== "failed") this.attempt(this.failed.enter());
    this.route = { name, job: id ?? null };
    if (id && !this.store.get(id)) this.#fetch(id);
    this.draw();
  }

  async #fetch(id) {
    if (await this.attempt(this.client.job(id))) return;
    this.leave();
  }

  async #learnModels() {
    try {
      this.models = await this.client.models();
      this.draw();
    } catch {
      setTimeout(() => this.#learnModels(), 2000);
    }
  }

  #changed(job, id) {
    if (!job) {
      if (this.route.job === id) this.leave();
      this.store.remove(id);
      return this.draw();
    }
    const before = this.store.get(id);
    this.store.take(job);
    if (before && !FINAL.has(before.status) && FINAL.has(job.status)) this.#announce(job);
    this.draw();
  }

  #announce(job) {
    const words = { succeeded: "is done", failed: "has failed", canceled: "is canceled", expired: "has expired" };
    this.notices.hear(`${promptOf(job).slice(0, 80)} ${words[job.status]}.`);
  }

  #title() {
    const [job] = this.store.having("running");
    return job ? `${Math.round(100 * job.progress)} % · Safelight` : "Safelight";
  }

  #template() {
    const failures = this.store.having("failed").length;
    const at = (name) => (this.route.name === name ? "page" : nothing);
    const working = this.store.having("running").length > 0;
    return html`<header class="top">
        <a class="brand" href="#" aria-label="Safelight, the wall">
          <span
            class="lamp"
            data-connection=${this.client.connection}
            ?data-working=${working}
            aria-hidden="true"
          ></span>
          <span>Safelight</span>
        </a>
        <nav aria-label="Pages">
          <a href="#" aria-current=${at("wall")}>Wall</a>
          <a href="#failed" aria-current=${at("failed")}>Failed${failures ? html` <b>${failures}</b>` : nothing}</a>
        </nav>
        <button
          type="button"
          class="quiet theme"
          aria-label="Switch between dark and light"
          title="Dark or light"
          @click=${() => window.safelightTheme.turn()}
        >
          ${icons.theme}
        </button>
        ${this.health.template()}
      </header>
      <div class="room">
        <aside class="desk">${this.models.length ? this.composer.template() : nothing}</aside>
        <main id="main" tabindex="-1">${this.route.name === "failed" ? this.failed.template() : wall(this)}</main>
      </div>
      ${this.viewer.template()} ${this.notices.template()}`;
  }
}

new Page().start();
