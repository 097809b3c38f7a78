// An RFC 8785 implementation to compare with: JSON.stringify writes numbers and strings as the RFC
// requires, and JavaScript compares strings by UTF-16 code units. Reads one JSON text a line from
// standard input, and writes its canonical form on a line.
import { readFileSync } from "node:fs";

function canonical(value) {
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join(",")}]`;
  }
  if (value === null || typeof value !== "object") {
    return JSON.stringify(value);
  }
  // Written by hand, because JavaScript objects put keys such as "10" before all others.
  const keys = Object.keys(value).sort((one, other) => (one < other ? -1 : one > other ? 1 : 0));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
}

const lines = readFileSync(0, "utf8").split("\n").filter((line) => line);
process.stdout.write(lines.map((line) => `${canonical(JSON.parse(line))}\n`).join(""));
