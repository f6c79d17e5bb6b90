/** The form: a prompt, the model's own parameters, how many variations. Remembers what was typed. */

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { Attachments } from "./attachments.js";
import { control } from "./controls.js";
import { fieldsOf, inputOf, plus } from "./fields.js";
import { icons } from "./icons.js";
import { stacked } from "./layout.js";
import { parse, stringify } from "./numbers.js";
import { counted } from "./words.js";

const MOST_VARIATIONS = 16;
const KEPT_AS = "safelight.draft";
const APPLE = /Mac|iP(hone|ad)/.test(navigator.platform);

export class Composer {
  #fields = new Map(); // model name → its fields
  #faults = new Map(); // field → what the server found wrong
  #complaint = "";
  #attachments;
  busy = false;

  /** @param {{models: object[], submit: (jobs: object[]) => Promise<void>, draw: () => void}} page */
  constructor(page) {
    this.page = page;
    this.#attachments = new Attachments(page);
    this.draft = { model: null, prompt: "", settings: {}, variations: 1, ...kept() };
  }

  get model() {
    const { models } = this.page;
    return (
      models.find((one) => one.name === this.draft.model) ?? models.find((one) => one.default) ?? models[0] ?? null
    );
  }

  get fields() {
    const { model } = this;
    if (!this.#fields.has(model.name)) this.#fields.set(model.name, fieldsOf(model.input_schema));
    return this.#fields.get(model.name);
  }

  /** What was chosen for this model, by field. */
  get values() {
    return this.draft.settings[this.model.name] ?? {};
  }

  get examples() {
    const examples = this.model && this.fields.prompt?.rule.examples;
    return Array.isArray(examples) ? examples.filter((one) => typeof one === "string") : [];
  }

  /** Take a job's model and input into the form. */
  use(job) {
    const seed = job.outputs[0]?.seed ?? job.input.seed;
    this.draft.model = job.model;
    const { prompt, front, more } = this.fields;
    const values = Object.fromEntries([...front, ...more].map(({ name }) => [name, job.input[name] ?? undefined]));
    if ("seed" in values) values.seed = seed ?? undefined;
    this.#choose(values);
    this.#change({ prompt: prompt ? (job.input[prompt.name] ?? "") : "", variations: 1 });
    this.focus();
  }

  /** Where an output of this kind would go: the present model, or the first other one, that takes such media. */
  placeFor(mediaType) {
    for (const model of [this.model, ...this.page.models].filter(Boolean)) {
      const rules = Object.entries(model.input_schema.properties ?? {});
      const [name] = rules.find(([, rule]) => rule.format === "media" && rule["x-media"]?.includes(mediaType)) ?? [];
      if (name) return { model: model.name, name };
    }
    return null;
  }

  /** Take an output of a job as the input of the next. */
  useOutput(job, index) {
    const place = this.placeFor(job.outputs[index].media_type);
    this.#change({ model: place.model });
    this.#choose({ [place.name]: `job:${job.id}#${index}` });
    this.focus();
  }

  /** Submit this prompt with the present settings. */
  async send(prompt = this.draft.prompt) {
    if (this.busy || !this.model) return;
    if (this.fields.prompt?.required && !prompt.trim())
      return this.#refuse("Say in a few words what the picture shows.");
    this.#change({ prompt });
    this.busy = true;
    this.#refuse("");
    try {
      await this.page.submit(this.#jobs());
    } catch (fault) {
      for (const { field, detail } of fault.errors ?? []) this.#faults.set(field.replace(/^input\./, ""), detail);
      const named = [...this.#faults.keys()].some((name) => this.#has(name));
      this.#complaint = named && fault.status === 422 ? "" : [fault.message, ...this.#unplaced()].join(" ");
      requestAnimationFrame(() => requestAnimationFrame(showFault)); // once it is drawn
    }
    this.busy = false;
    this.page.draw();
  }

  focus() {
    this.page.draw();
    requestAnimationFrame(() => document.getElementById("prompt")?.focus());
  }

  template() {
    const { draft, model } = this;
    if (!model) return html`<p class="about">No model is in the catalog.</p>`;
    const { prompt, front, more } = this.fields;
    const [shown, folded] = stacked.matches ? [[], [...front, ...more]] : [front, more];
    return html`<form
      class="composer"
      aria-label="New picture"
      @submit=${this.#onSubmit}
      @keydown=${this.#onKey}
      novalidate
    >
      ${prompt ? this.#prompt(prompt) : nothing} ${this.page.models.length > 1 ? this.#chooser() : nothing}
      ${shown.length ? html`<div class="front">${shown.map((one) => this.#control(one))}</div>` : nothing}
      ${folded.length ? this.#fold(folded) : nothing}
      ${
        model.circuit && model.circuit !== "closed"
          ? html`<p class="fault">This model cannot be loaded at present${model.fault ? `: ${model.fault}` : "."}</p>`
          : nothing
      }
      ${this.#complaint ? html`<p class="fault" role="alert">${this.#complaint}</p>` : nothing}
      <div class="go">
        ${this.#stepper()}
        <button class="develop" ?disabled=${this.busy} aria-keyshortcuts="Control+Enter Meta+Enter">
          <span>Develop${draft.variations > 1 ? ` ${draft.variations}` : ""}</span>
          <kbd aria-hidden="true">${APPLE ? "⌘" : "Ctrl"} ↵</kbd>
        </button>
      </div>
    </form>`;
  }

  #chooser() {
    const choose = (event) => this.#change({ model: this.page.models[event.target.selectedIndex].name });
    return html`<div class="field" data-field="model">
      <div class="field-head"><label for="model">Model</label></div>
      <select id="model" @change=${choose} aria-describedby="model-about">
        ${this.page.models.map((one) => html`<option ?selected=${one === this.model}>${one.name}</option>`)}
      </select>
      <p class="about" id="model-about">${this.model.description ?? ""}</p>
    </div>`;
  }

  #prompt({ name, rule, title }) {
    const fault = this.#faults.get(name);
    return html`<div class="prompt">
      <label for="prompt">${title}</label>
      <textarea
        id="prompt"
        rows="4"
        spellcheck="true"
        maxlength=${rule.maxLength ?? nothing}
        placeholder=${rule.description ?? "What the picture shows"}
        aria-invalid=${Boolean(fault)}
        .value=${live(this.draft.prompt)}
        @input=${(event) => this.#change({ prompt: event.target.value })}
      ></textarea>
      ${fault ? html`<p class="fault">${fault}</p>` : nothing}
      ${
        this.examples.length
          ? html`<ul class="chips" aria-label="Example prompts">
              ${this.examples.map(
                (one) =>
                  html`<li>
                    <button type="button" title=${one} @click=${() => (this.#change({ prompt: one }), this.focus())}>
                      ${one}
                    </button>
                  </li>`,
              )}
            </ul>`
          : nothing
      }
    </div>`;
  }

  #fold(fields) {
    return html`<details class="more">
      <summary>
        ${icons.chevron} ${stacked.matches ? "Settings" : "More"}
        <span class="about">${fields.map((one) => one.title.toLowerCase()).join(", ")}</span>
      </summary>
      ${fields.map((one) => this.#control(one))}
    </details>`;
  }

  #control(field) {
    const set = (value) => this.#choose({ [field.name]: value });
    return control(field, this.values[field.name], this.#faults.get(field.name), set, this.#attachments);
  }

  #stepper() {
    const { variations } = this.draft;
    const by = (more) => this.#change({ variations: Math.min(MOST_VARIATIONS, Math.max(1, variations + more)) });
    return html`<div class="stepper" role="group" aria-label="Variations, each with a seed of its own">
      <button
        type="button"
        class="quiet"
        aria-label="One variation less"
        ?disabled=${variations <= 1}
        @click=${() => by(-1)}
      >
        −
      </button>
      <output title=${counted(variations, "variation")}>${variations}<span aria-hidden="true">×</span></output>
      <button
        type="button"
        class="quiet"
        aria-label="One variation more"
        ?disabled=${variations >= MOST_VARIATIONS}
        @click=${() => by(1)}
      >
        +
      </button>
    </div>`;
  }

  /** One job for each variation: with a seed, the n-th takes the seed plus n; without, each its own. */
  #jobs() {
    const input = inputOf(this.fields, this.draft.prompt, this.values);
    const seeded = typeof input.seed === "number" || typeof input.seed === "bigint";
    return Array.from({ length: this.draft.variations }, (_, n) => ({
      model: this.model.name,
      input: seeded ? { ...input, seed: plus(input.seed, n) } : input,
    }));
  }

  #has(name) {
    const { prompt, front, more } = this.fields;
    return [prompt, ...front, ...more].some((one) => one?.name === name);
  }

  #unplaced() {
    return [...this.#faults].filter(([name]) => !this.#has(name)).map(([name, detail]) => `${name}: ${detail}`);
  }

  #refuse(complaint) {
    this.#faults.clear();
    this.#complaint = complaint;
    this.page.draw();
  }

  #choose(values) {
    for (const name of Object.keys(values)) this.#faults.delete(name);
    this.#change({ settings: { ...this.draft.settings, [this.model.name]: { ...this.values, ...values } } });
  }

  #change(part) {
    Object.assign(this.draft, part);
    keep(this.draft);
    this.page.draw();
  }

  #onSubmit = (event) => {
    event.preventDefault();
    this.send();
  };

  #onKey = (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    event.target.dispatchEvent(new Event("change", { bubbles: true })); // a number still being typed counts
    event.currentTarget.requestSubmit();
  };
}

/** To the first field that is wrong, also where it is folded away. */
function showFault() {
  const wrong = document.querySelector(".composer [aria-invalid=true]");
  if (!wrong) return;
  wrong.closest("details")?.setAttribute("open", "");
  wrong.focus();
}

function kept() {
  try {
    return parse(localStorage.getItem(KEPT_AS)) ?? {};
  } catch {
    return {};
  }
}

function keep(draft) {
  try {
    localStorage.setItem(KEPT_AS, stringify(draft));
  } catch {
    // a private window may refuse: then nothing is remembered
  }
}
