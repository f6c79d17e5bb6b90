/** JSON whose integers may have 64 bits, as seeds do: beyond 2⁵³ they are BigInts here, never rounded. */

const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LONG_INTEGER = /^-?\d{16,}$/;
const MARK = "\u0000"; // the server refuses NUL in text, so no text of a client's carries it
const MARKED = new RegExp(`^${MARK}(-?\\d+)$`);
const MARKED_IN_JSON = /"\\u0000(-?\d+)"/g;

/** Parse JSON text. */
export function parse(text) {
  let found = false;
  const marked = text.replace(STRINGS_AND_NUMBERS, (token) => {
    if (!LONG_INTEGER.test(token) || Number.isSafeInteger(Number(token))) return token;
    found = true;
    return `"\\u0000${token}"`;
  });
  return found ? JSON.parse(marked, revive) : JSON.parse(text);
}

/** Write JSON text; BigInts become plain integers. */
export function stringify(value, indent) {
  const text = JSON.stringify(value, (_, one) => (typeof one === "bigint" ? `${MARK}${one}` : one), indent);
  return text.replace(MARKED_IN_JSON, "$1");
}

function revive(_, value) {
  const found = typeof value === "string" && MARKED.exec(value);
  return found ? BigInt(found[1]) : value;
}
