// Another RFC 8785 implementation, to hold ours to: JSON.stringify writes numbers and strings as the
// RFC asks for, and JavaScript compares strings by their UTF-16 code units. Reads JSON texts from
// standard input, one a line, and writes the canonical form of each on a line.
import { readFileSync } from "node:fs";

function canonical(value) {
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join(",")}]`;
  }
  if (value === null || typeof value !== "object") {
    return JSON.stringify(value);
  }
  // By hand, since an object of JavaScript would put keys like "10" before all others.
  const keys = Object.keys(value).sort((one, other) => (one < other ? -1 : one > other ? 1 : 0));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

const lines = readFileSync(0, "utf8").split("\n").filter((line) => line);
process.stdout.write(lines.map((line) => `${canonical(JSON.parse(line))}\n`).join(""));
