/**
 * Code that stands in two places, by fingerprints of runs of tokens. Of every {@link STRIDE} neighbouring runs the one with
 * the least hash is kept ("winnowing": Schleimer, Wilkerson and Aiken, SIGMOD 2003), so that any equal stretch of
 * RUN + STRIDE - 1 tokens shares at least one, and files need not be compared with each other.
 */
import type { FileFacts } from "./file-facts.ts";
import type { Sighted } from "./scan-finding.ts";
import type { Token } from "./tokens.ts";

/** Tokens of one run. */
const RUN = 30;
/** Runs of which one is kept. */
const STRIDE = 11;
const BASE = 1_000_003;
const MODULUS = 2_147_483_647; // prime; products stay below 2^53 with the multiplication below

/** What is reported: shorter stretches are idiom, and are cheaper repeated than shared. */
const MIN_TOKENS = 60;
const MIN_LINES = 8;
/** A run that stands in more places is boilerplate of the language. */
const MAX_PLACES = 12;
const MAX_REPORTED = 200;
const NUMBERS = 4;

/** @returns the kept runs of a file, four numbers each: hash, number of its first token, its first and last line. */
export function windowsOf(code: readonly Token[]): readonly number[] {
  const tokens = withoutImports(code);
  if (tokens.length < RUN) return [];
  const hashes = rollingHashes(tokens);
  const kept: number[] = [];
  let lastKept = -1;
  for (let start = 0; start + STRIDE <= hashes.length || start === 0; start += 1) {
    let least = start;
    for (let at = start; at < Math.min(hashes.length, start + STRIDE); at += 1) {
      if ((hashes[at] ?? 0) <= (hashes[least] ?? 0)) least = at;
    }
    if (least === lastKept) continue;
    lastKept = least;
    kept.push(hashes[least] ?? 0, least, tokens[least]?.line ?? 0, tokens[least + RUN - 1]?.line ?? 0);
  }
  return kept;
}

/** Everybody's imports look alike, and nobody can share them. */
function withoutImports(code: readonly Token[]): readonly Token[] {
  const kept: Token[] = [];
  let skippedUntil = -1;
  for (const [index, token] of code.entries()) {
    if (index <= skippedUntil) continue;
    const startsLine = code[index - 1]?.line !== token.line;
    if (startsLine && (token.text === "import" || token.text === "from" || token.text === "use")) {
      let end = index;
      while (end + 1 < code.length && code[end]?.kind !== "string" && code[end]?.text !== ";" && end - index < 200) {
        if (code[end + 1]?.line !== code[end]?.line && token.text !== "import") break;
        end += 1;
      }
      skippedUntil = end;
      continue;
    }
    kept.push(token);
  }
  return kept;
}

/** Texts and numbers are one: code that differs in them alone is still the same code. */
function shapeOf({ kind, text }: Token): string {
  return kind === "string" || kind === "number" || kind === "pattern" ? kind : text;
}

function rollingHashes(tokens: readonly Token[]): readonly number[] {
  const values = tokens.map((token) => wordHash(shapeOf(token)));
  let drop = 1; // BASE to the power of RUN - 1
  for (let step = 1; step < RUN; step += 1) drop = product(drop, BASE);
  const hashes: number[] = [];
  let hash = 0;
  for (const [index, value] of values.entries()) {
    if (index >= RUN) hash = (hash + MODULUS - product(values[index - RUN] ?? 0, drop)) % MODULUS;
    hash = (product(hash, BASE) + value) % MODULUS;
    if (index >= RUN - 1) hashes.push(hash);
  }
  return hashes;
}

/** Exact below 2^53: the one factor is cut in halves of 16 bits. */
function product(left: number, right: number): number {
  const high = Math.floor(left / 65_536);
  const low = left % 65_536;
  return (((high * right) % MODULUS) * 65_536 + low * right) % MODULUS;
}

function wordHash(text: string): number {
  let hash = 7;
  for (let at = 0; at < text.length; at += 1) hash = (product(hash, 131) + text.charCodeAt(at)) % MODULUS;
  return hash;
}

type Place = { readonly path: string; readonly at: number; readonly first: number; readonly last: number };
type Stretch = { readonly left: Place; readonly right: Place; lastLeft: Place; lastRight: Place; runs: number };

/** @returns each stretch of code that stands twice, once, at the later of the two places. */
export function duplicatesIn(files: ReadonlyMap<string, FileFacts>): readonly Sighted[] {
  const places = new Map<number, Place[]>();
  for (const [path, { windows }] of files) {
    for (let index = 0; index < windows.length; index += NUMBERS) {
      const [hash = 0, at = 0, first = 0, last = 0] = windows.slice(index, index + NUMBERS);
      const known = places.get(hash);
      if (known === undefined) places.set(hash, [{ path, at, first, last }]);
      else known.push({ path, at, first, last });
    }
  }
  return reported(stretchesOf([...places.values()].filter(({ length }) => length > 1 && length <= MAX_PLACES)));
}

/** Runs that are as far apart in the one file as in the other belong together. */
function stretchesOf(shared: readonly (readonly Place[])[]): readonly Stretch[] {
  const diagonals = new Map<string, { left: Place; right: Place }[]>();
  for (const group of shared) {
    for (const [index, left] of group.entries()) {
      for (const right of group.slice(index + 1)) {
        const key = `${left.path}\0${right.path}\0${right.at - left.at}`;
        const pairs = diagonals.get(key);
        if (pairs === undefined) diagonals.set(key, [{ left, right }]);
        else pairs.push({ left, right });
      }
    }
  }
  return [...diagonals.values()].flatMap((pairs) => {
    const stretches: Stretch[] = [];
    for (const { left, right } of pairs.toSorted((a, b) => a.left.at - b.left.at)) {
      const open = stretches.at(-1);
      if (open !== undefined && left.at - open.lastLeft.at <= RUN) {
        open.lastLeft = left;
        open.lastRight = right;
        open.runs += 1;
      } else stretches.push({ left, right, lastLeft: left, lastRight: right, runs: 1 });
    }
    return stretches;
  });
}

function reported(stretches: readonly Stretch[]): readonly Sighted[] {
  const size = ({ left, lastLeft }: Stretch): number => lastLeft.at - left.at + RUN;
  const large = stretches
    .filter((stretch) => {
      const { left, lastLeft, right } = stretch;
      const overlaps = left.path === right.path && right.at < lastLeft.at + RUN;
      return size(stretch) >= MIN_TOKENS && lastLeft.last - left.first + 1 >= MIN_LINES && !overlaps;
    })
    .toSorted((a, b) => size(b) - size(a));
  const taken: { path: string; first: number; last: number }[] = [];
  const sighted: Sighted[] = [];
  for (const stretch of large) {
    const { left, right, lastLeft, lastRight } = stretch;
    const here = { path: right.path, first: right.first, last: lastRight.last };
    // Of three copies the second and the third are reported, each once.
    if (taken.some(({ path, first, last }) => path === here.path && first <= here.last && here.first <= last)) continue;
    taken.push(here);
    const lines = lastLeft.last - left.first + 1;
    sighted.push({
      kind: "duplicate-code",
      rule: "same-tokens",
      path: right.path,
      line: right.first,
      severity: lines >= 40 ? "medium" : "low",
      effort: lines >= 40 ? "medium" : "small",
      title: `${lines} lines stand in ${left.path} too`,
      evidence: `${right.path}:${right.first}-${lastRight.last} = ${left.path}:${left.first}-${lastLeft.last} (${size(stretch)} tokens)`,
      subject: left.path,
    });
    if (sighted.length >= MAX_REPORTED) break;
  }
  return sighted;
}
