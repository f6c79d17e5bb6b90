/** The page's icons, drawn here: nothing is fetched for them. */

import { html, svg } from "./vendor/lit-html/lit-html.js";

const drawn = (shapes) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${shapes}</svg>`;

const paths = (...lines) => lines.map((line) => svg`<path d=${line}></path>`);

export const icons = {
  again: drawn(paths("M20 11a8 8 0 1 0-2.3 6.2", "M20 5v6h-6")),
  attach: drawn(paths("M12 19V8", "M7 12l5-5 5 5", "M5 4h14")),
  cancel: drawn(paths("M6 6l12 12", "M18 6L6 18")),
  chevron: drawn(paths("M9 5l7 7-7 7")),
  copy: drawn(paths("M9 9h11v11H9z", "M5 15H4V4h11v1")),
  download: drawn(paths("M12 4v11", "M7 11l5 5 5-5", "M5 20h14")),
  left: drawn(paths("M15 5l-7 7 7 7")),
  out: drawn(paths("M8 5h11v11", "M19 5L6 18")),
  right: drawn(paths("M9 5l7 7-7 7")),
  settings: drawn(paths("M4 8h9", "M17 8h3", "M15 6v4", "M4 16h3", "M11 16h9", "M9 14v4")),
  shuffle: drawn(paths("M3 7h4l9 10h5", "M3 17h4l2.6-2.9", "M13.4 9.9L16 7h5", "M18 4l3 3-3 3", "M18 14l3 3-3 3")),
  theme: drawn(paths("M12 4a8 8 0 1 0 0 16z", "M12 4a8 8 0 0 1 0 16")),
  trash: drawn(paths("M5 7h14", "M10 7V4h4v3", "M7 7l1 13h8l1-13")),
  undo: drawn(paths("M5 9h9a5 5 0 0 1 0 10h-4", "M9 5L5 9l4 4")),
};
