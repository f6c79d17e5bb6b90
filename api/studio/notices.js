/** Short words about what happened: some to be seen, all to be heard by a screen reader. */

import { html } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";

const SHOWN_FOR_MS = 5_000;
const MOST_SHOWN = 3;
const GATHER_MS = 800;

export class Notices {
  #shown = [];
  #unheard = [];
  #spoken = "";
  #number = 0;
  #gathering = 0;

  constructor(draw) {
    this.draw = draw;
  }

  /** For everyone. */
  say(words, kind = "done") {
    const notice = { words, kind, number: ++this.#number };
    this.#shown = [...this.#shown, notice].slice(-MOST_SHOWN);
    setTimeout(() => {
      this.#shown = this.#shown.filter((one) => one !== notice);
      this.draw();
    }, SHOWN_FOR_MS);
    this.hear(words);
  }

  /** For those who listen: gathered, so that a hundred finished jobs are one sentence. */
  hear(words) {
    this.#unheard.push(words);
    this.#gathering ||= setTimeout(() => {
      const [first, second, ...rest] = this.#unheard;
      this.#spoken = rest.length ? `${first} ${second} And ${rest.length} more.` : this.#unheard.join(" ");
      this.#unheard = [];
      this.#gathering = 0;
      this.draw();
    }, GATHER_MS);
    this.draw();
  }

  /** Drawn on the page and again inside the dialog: what is below an open dialog is neither seen nor heard. */
  template() {
    return html`<div class="unseen" role="status" aria-live="polite">${this.#spoken}</div>
      <div class="notices" aria-hidden="true">
        ${repeat(
          this.#shown,
          (one) => one.number,
          (one) => html`<p data-kind=${one.kind}>${one.words}</p>`,
        )}
      </div>`;
  }
}
