/** The control of an input that is media: a file, or a reference; and a look at it. */

import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { icons } from "./icons.js";
import { unlessTyped } from "./typed.js";
import { ownUrl } from "./words.js";

export function mediaField({ name, rule, title }, { id, value, set, described, invalid, attachments }) {
  const said = attachments.said(name);
  const take = (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // the same file may be chosen again
    if (file) attachments.bring(name, file, set);
  };
  const write = (event) => (attachments.clear(name), set(event.target.value.trim()));
  return html`<div class="media-input">
      ${look(attachments.shown(value ?? ""), title)}
      <input
        type="text"
        id=${id}
        placeholder="a file, job:ID#0 or https://…"
        spellcheck="false"
        autocomplete="off"
        .value=${unlessTyped(id, value ?? "")}
        @change=${write}
        aria-describedby=${described || nothing}
        aria-invalid=${invalid || Boolean(said?.fault)}
      />
      <label class="quiet choose" title="Choose a file">
        ${icons.attach}
        <input
          type="file"
          accept=${(rule["x-media"] ?? []).join(",") || nothing}
          aria-label="${title}: choose a file"
          @change=${take}
        />
      </label>
    </div>
    ${said ? html`<p class=${said.fault ? "fault" : "about"} role="status">${said.words}</p>` : nothing}`;
}

function look(source, title) {
  const url = ownUrl(source?.url);
  if (!url) return nothing;
  const kind = source.media_type.split("/")[0];
  if (kind === "image") return html`<img src=${url} alt="${title}, as chosen" />`;
  return html`<span class="sound" title=${source.media_type}>${kind === "video" ? "▶" : "♪"}</span>`;
}
