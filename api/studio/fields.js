/** A model's JSON Schema as a form: which control each property gets, and which of them stand in front. */

const IN_FRONT = 2;
const SLIDER_STOPS = 5_000;
const LINE_CHARACTERS = 200;

/** `{prompt, front, more}`: the text the model draws from, what most people touch, and the rest. */
export function fieldsOf(schema) {
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties ?? {}).map(([name, rule]) => field(name, rule, required.has(name)));
  const texts = fields.filter((one) => one.kind === "text" || one.kind === "line");
  const prompt = texts.find((one) => one.name === "prompt") ?? texts.find((one) => one.required) ?? null;
  const rest = fields.filter((one) => one !== prompt);
  const dials = rest.filter((one) => one.kind === "slider" || one.kind === "choice").slice(0, IN_FRONT);
  const basic = (one) => one.required || one.kind === "seed" || one.kind === "media";
  const front = rest.filter((one) => basic(one) || dials.includes(one));
  return { prompt, front, more: rest.filter((one) => !front.includes(one)) };
}

/** What is sent: what differs from the defaults, so that a job says what its author chose. */
export function inputOf(fields, prompt, values) {
  const input = fields.prompt ? { [fields.prompt.name]: prompt } : {};
  for (const { name, rule } of [...fields.front, ...fields.more]) {
    const value = values[name];
    if (value !== undefined && value !== "" && value !== rule.default) input[name] = value;
  }
  return input;
}

/** The number that was typed, with all its digits; undefined for an empty field. */
export function integerOf(text) {
  const digits = text.trim();
  if (!/^-?\d+$/.test(digits)) return digits || undefined; // the server says what is wrong with it
  const number = Number(digits);
  return Number.isSafeInteger(number) ? number : BigInt(digits);
}

/** `value` plus `more`, also beyond 2⁵³. */
export function plus(value, more) {
  const sum = BigInt(value) + BigInt(more);
  return sum <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(sum) : sum;
}

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

function field(name, rule, required) {
  return { name, rule, required, kind: kindOf(name, rule), title: rule.title ?? titleOf(name) };
}

function kindOf(name, rule) {
  const type = [rule.type].flat().find((one) => one !== "null");
  if (rule.enum) return "choice";
  if (type === "boolean") return "switch";
  if (name === "seed" && type === "integer") return "seed";
  if (type === "integer" || type === "number") return slides(rule, type) ? "slider" : "number";
  if (rule.format === "media") return "media"; // a reference: upload:ID, job:ID#0, https://…
  if (type === "string") return (rule.maxLength ?? Infinity) > LINE_CHARACTERS ? "text" : "line";
  return "json";
}

function slides(rule, type) {
  const [low, high] = [rule.minimum, rule.maximum];
  return low !== undefined && high !== undefined && (high - low) / stepOf(rule, type) <= SLIDER_STOPS;
}

/** The step of a number's control: the schema's own, or one that makes about a hundred of its range. */
export function stepOf(rule, type = [rule.type].flat()[0]) {
  if (rule.multipleOf) return rule.multipleOf;
  if (type === "integer") return 1;
  const range = (rule.maximum ?? 100) - (rule.minimum ?? 0);
  return 10 ** Math.floor(Math.log10(range / 50 || 1));
}

function titleOf(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
