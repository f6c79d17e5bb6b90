/** What a field shows that hears of its value only when somebody has finished typing: the page is drawn again meanwhile,
 * and that must not undo what is being typed. */

import { live } from "./vendor/lit-html/directives/live.js";

/** The value of the field with this id, unless somebody is in it. */
export function unlessTyped(id, value) {
  const { activeElement } = document;
  return live(activeElement?.id === id ? activeElement.value : value);
}
