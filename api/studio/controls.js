/** The control of each kind of field. `set(value)` hears what was chosen; undefined means the default again. */

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { integerOf, randomSeed, stepOf } from "./fields.js";
import { icons } from "./icons.js";
import { mediaField } from "./media_field.js";
import { parse, stringify } from "./numbers.js";
import { unlessTyped } from "./typed.js";
import { vars } from "./vars.js";

/** A labelled control with its description, a way back to the default, and what the server found wrong. */
export function control(field, value, fault, set, attachments) {
  const id = `field-${field.name}`;
  const changed = value !== undefined && value !== field.rule.default;
  const described = [field.rule.description && `${id}-about`, fault && `${id}-fault`].filter(Boolean).join(" ");
  return html`<div class="field" data-kind=${field.kind} data-field=${field.name}>
    <div class="field-head">
      <label for=${id}>${field.title}</label>
      ${
        changed && field.kind !== "seed"
          ? html`<button
              type="button"
              class="reset"
              title="Back to the default"
              aria-label="${field.title}: back to the default"
              @click=${() => set(undefined)}
            >
              ${icons.undo}
            </button>`
          : nothing
      }
    </div>
    ${KINDS[field.kind](field, { id, value, set, described, invalid: Boolean(fault), attachments })}
    ${field.rule.description ? html`<p class="about" id="${id}-about">${field.rule.description}</p>` : nothing}
    ${fault ? html`<p class="fault" id="${id}-fault">${fault}</p>` : nothing}
  </div>`;
}

const KINDS = {
  slider: ({ rule, title }, { id, value, set, described, invalid }) => {
    const shown = value ?? rule.default ?? rule.minimum;
    const share = (shown - rule.minimum) / (rule.maximum - rule.minimum || 1);
    const take = (event) => set(Number.isNaN(event.target.valueAsNumber) ? undefined : event.target.valueAsNumber);
    return html`<div class="slider">
      <input
        type="range"
        min=${rule.minimum}
        max=${rule.maximum}
        step=${stepOf(rule)}
        aria-label="${title}, slider"
        .value=${live(String(shown))}
        @input=${take}
        ${vars({ "--share": Math.min(1, Math.max(0, share)) })}
      />
      <input
        type="number"
        id=${id}
        min=${rule.minimum}
        max=${rule.maximum}
        step=${rule.multipleOf ?? (stepOf(rule) < 1 ? "any" : 1)}
        .value=${unlessTyped(id, String(shown))}
        @change=${take}
        aria-describedby=${described || nothing}
        aria-invalid=${invalid}
      />
    </div>`;
  },

  number: ({ rule }, { id, value, set, described, invalid }) =>
    html`<input
      type="number"
      id=${id}
      min=${rule.minimum ?? nothing}
      max=${rule.maximum ?? nothing}
      step=${rule.type === "integer" ? 1 : "any"}
      placeholder=${rule.default ?? "not set"}
      .value=${unlessTyped(id, String(value ?? ""))}
      @change=${(event) => set(Number.isNaN(event.target.valueAsNumber) ? undefined : event.target.valueAsNumber)}
      aria-describedby=${described || nothing}
      aria-invalid=${invalid}
    />`,

  seed: (_, { id, value, set, described, invalid }) =>
    html`<div class="seed">
      <input
        type="text"
        id=${id}
        inputmode="numeric"
        placeholder="random"
        autocomplete="off"
        maxlength="19"
        .value=${unlessTyped(id, String(value ?? ""))}
        @change=${(event) => set(integerOf(event.target.value))}
        aria-describedby=${described || nothing}
        aria-invalid=${invalid}
      />
      <button
        type="button"
        class="quiet"
        title="Draw a seed"
        aria-label="Draw a seed"
        @click=${() => set(randomSeed())}
      >
        ${icons.shuffle}
      </button>
      ${
        value === undefined
          ? nothing
          : html`<button
              type="button"
              class="quiet"
              title="Random again"
              aria-label="Random again"
              @click=${() => set(undefined)}
            >
              ${icons.cancel}
            </button>`
      }
    </div>`,

  choice: ({ rule, required }, { id, value, set, described, invalid }) => {
    const chosen = value ?? rule.default;
    const choices = rule.enum.filter((one) => one !== null);
    const take = (event) => set(choices[event.target.selectedIndex - (required ? 0 : 1)] ?? undefined);
    return html`<select id=${id} @change=${take} aria-describedby=${described || nothing} aria-invalid=${invalid}>
      ${required ? nothing : html`<option ?selected=${chosen === undefined}>not set</option>`}
      ${choices.map((one) => html`<option ?selected=${one === chosen}>${String(one)}</option>`)}
    </select>`;
  },

  switch: ({ rule }, { id, value, set, described }) =>
    html`<input
      type="checkbox"
      role="switch"
      id=${id}
      .checked=${live(Boolean(value ?? rule.default))}
      @change=${(event) => set(event.target.checked)}
      aria-describedby=${described || nothing}
    />`,

  text: ({ rule }, { id, value, set, described, invalid }) =>
    html`<textarea
      id=${id}
      rows="2"
      maxlength=${rule.maxLength ?? nothing}
      .value=${live(value ?? rule.default ?? "")}
      @input=${(event) => set(event.target.value)}
      aria-describedby=${described || nothing}
      aria-invalid=${invalid}
    ></textarea>`,

  line: ({ rule }, { id, value, set, described, invalid }) =>
    html`<input
      type="text"
      id=${id}
      maxlength=${rule.maxLength ?? nothing}
      .value=${live(value ?? rule.default ?? "")}
      @input=${(event) => set(event.target.value)}
      aria-describedby=${described || nothing}
      aria-invalid=${invalid}
    />`,

  media: mediaField,

  json: (_, { id, value, set, described, invalid }) =>
    html`<textarea
      id=${id}
      rows="2"
      placeholder="JSON"
      .value=${unlessTyped(id, value === undefined ? "" : stringify(value))}
      @change=${(event) => set(jsonOf(event.target.value))}
      aria-describedby=${described || nothing}
      aria-invalid=${invalid}
    ></textarea>`,
};

function jsonOf(text) {
  try {
    return text.trim() ? parse(text) : undefined;
  } catch {
    return text; // the server says what is wrong with it
  }
}
