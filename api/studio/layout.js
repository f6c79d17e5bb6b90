/** What the style sheets decide and the parts must know too. */

/** The form stands above the wall, not beside it: then it is kept short. */
export const stacked = matchMedia("(max-width: 60rem)");
