/** A job as a command or a script that makes it again. */

import { stringify } from "./numbers.js";

/** What to post for the same picture: the version pinned, the seed that was drawn named. */
function requestOf(job) {
  const seed = job.input.seed ?? job.outputs[0]?.seed;
  const seeded = seed !== undefined && seed !== null && job.outputs.length <= 1;
  return { model: `${job.model}@${job.model_version}`, input: seeded ? { ...job.input, seed } : job.input };
}

export function asCurl(origin, job) {
  const body = stringify(requestOf(job)).replaceAll("'", `'\\''`);
  return [
    `curl -s '${origin}/v1/jobs'`,
    `-H 'Content-Type: application/json' -H 'Prefer: wait=60'`,
    `-d '${body}'`,
  ].join(" \\\n  ");
}

/** Nothing but Python's own library, so that it runs anywhere. */
export function asPython(origin, job) {
  return `import json
import urllib.request

SERVER = ${python(origin)}
JOB = ${python(requestOf(job))}

headers = {"Content-Type": "application/json", "Prefer": "wait=60"}
request = urllib.request.Request(SERVER + "/v1/jobs", json.dumps(JOB).encode(), headers)
job = json.load(urllib.request.urlopen(request))
print(job["id"], job["status"])
for number, output in enumerate(job["outputs"]):
    name = f"output-{number}." + output["media_type"].split("/")[1]
    urllib.request.urlretrieve(SERVER + output["url"], name)
    print(name, output["sha256"])
`;
}

/** A JSON value as a Python literal. */
function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value)
      .map(([name, one]) => `${python(name)}: ${python(one)}`)
      .join(", ")}}`;
  }
  return String(value);
}
