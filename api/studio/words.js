/** How the page says things: states, durations, places in the queue. */

export const STATUS = {
  waiting: "Waiting",
  queued: "Queued",
  running: "Developing",
  succeeded: "Done",
  failed: "Failed",
  canceled: "Canceled",
  expired: "Expired",
};

/** 0.42 → "0.4 s", 95 → "1 min 35 s". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return whole(seconds);
}

/** How long until it is finished; an estimate does not pretend to tenths. */
export function remaining(seconds, running) {
  if (seconds < 1.5) return running ? "almost done" : "in a moment";
  return running ? `${whole(seconds)} left` : `about ${whole(seconds)}`;
}

function whole(seconds) {
  const rounded = Math.round(seconds);
  if (rounded < 60) return `${rounded} s`;
  if (rounded < 3600) return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
  return `${Math.floor(rounded / 3600)} h ${Math.floor((rounded % 3600) / 60)} min`;
}

/** 2 → "2nd in line". */
export function inLine(position) {
  if (position <= 1) return "next in line";
  const [tens, ones] = [position % 100, position % 10];
  const ending = tens > 10 && tens < 14 ? "th" : (["th", "st", "nd", "rd"][ones] ?? "th");
  return `${position.toLocaleString("en")}${ending} in line`;
}

export function bytes(number) {
  if (number < 1000) return `${number} B`;
  return number < 1e6 ? `${(number / 1e3).toFixed(1)} kB` : `${(number / 1e6).toFixed(1)} MB`;
}

export function moment(text) {
  if (!text) return "–";
  const at = new Date(text);
  const sameDay = at.toDateString() === new Date().toDateString();
  return at.toLocaleString([], sameDay ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" });
}

export function percent(fraction) {
  return `${Math.round(100 * fraction)} %`;
}

/** What was asked for, in words. */
export function promptOf(job) {
  const { prompt } = job.input;
  return typeof prompt === "string" && prompt.trim() ? prompt : `${job.model} without words`;
}

/** A path on this server, or null: nothing else is ever shown or fetched. */
export function ownUrl(url) {
  if (typeof url !== "string") return null;
  try {
    const address = new URL(url, location.origin);
    return address.origin === location.origin ? address.pathname + address.search : null;
  } catch {
    return null;
  }
}

/** "1 picture", "3 pictures". */
export function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
