/** Reads which lines a patch adds. */

/** `+++ b/path` of the patch's next file; quoted as in C when the name holds unusual bytes, a tab after it when a space. */
const FILE = /^\+\+\+ (?:"b\/(?<quoted>(?:[^"\\]|\\.)*)"|b\/(?<plain>.*?))\t?$/;
const HUNK = /^@@ -\d+(?:,\d+)? \+(?<start>\d+)(?:,(?<count>\d+))? @@/;

/** @returns for each file of a patch with no context (`git diff -U0`) the lines, from 1, that it adds or changes. */
export function newLines(patch: string): ReadonlyMap<string, ReadonlySet<number>> {
  const files = new Map<string, Set<number>>();
  let current: Set<number> | undefined;
  let left = 0; // lines of the hunk: those that look like headers are content
  for (const line of patch.split("\n")) {
    if (left > 0) {
      if (line.startsWith("+")) left -= 1;
      continue;
    }
    const file = FILE.exec(line)?.groups;
    if (file !== undefined) {
      current = new Set();
      files.set(file["quoted"] === undefined ? (file["plain"] ?? "") : unquote(file["quoted"]), current);
      continue;
    }
    const hunk = HUNK.exec(line)?.groups;
    if (hunk === undefined) continue;
    const start = Number(hunk["start"]);
    left = Number(hunk["count"] ?? 1);
    for (let at = start; at < start + left; at += 1) current?.add(at);
  }
  return files;
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, "\\": 92 };

/** Git's quoting of paths: C's escapes, and bytes in octal. */
function unquote(text: string): string {
  const bytes: number[] = [];
  for (const part of text.match(/\\[0-7]{3}|\\.|[^\\]+/g) ?? []) {
    if (!part.startsWith("\\")) bytes.push(...new TextEncoder().encode(part));
    else bytes.push(part.length === 4 ? Number.parseInt(part.slice(1), 8) : (ESCAPES[part.charAt(1)] ?? 0));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}
