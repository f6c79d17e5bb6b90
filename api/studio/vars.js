/** An element directive that sets CSS custom properties: a `style` attribute would break the page's policy. */

import { nothing } from "./vendor/lit-html/lit-html.js";
import { Directive, PartType, directive } from "./vendor/lit-html/directive.js";

class Vars extends Directive {
  #last = {};

  constructor(part) {
    super(part);
    if (part.type !== PartType.ELEMENT) throw new Error("vars() belongs in an element's tag");
  }

  render() {
    return nothing;
  }

  update(part, [wanted]) {
    for (const [name, value] of Object.entries(wanted)) {
      if (this.#last[name] !== value) part.element.style.setProperty(name, value);
    }
    this.#last = wanted;
    return nothing;
  }
}

/** `<div ${vars({"--p": 0.4})}>` */
export const vars = directive(Vars);
