/** Secrets that are told by what they are assigned to: `api_key = "…"`, `PASSWORD=…`, `"clientSecret": "…"`. */
import type { Sighting } from "./finding.ts";
import { looksRandom } from "./randomness.ts";
import { isStandIn } from "./stand-in.ts";

const NAME =
  "[A-Za-z0-9_.-]{0,48}(?:passwords?|passwd|passphrase|pwd|secrets?|tokens?|api[_-]?keys?|access[_-]?keys?|private[_-]?keys?|signing[_-]?keys?|encryption[_-]?keys?|credentials?|auth[_-]?keys?|client[_-]?secret)[A-Za-z0-9_]{0,16}";

const QUOTED = new RegExp(
  `(?<name>${NAME})["'\`]?\\s{0,8}(?:=>|:=|=|:)\\s{0,8}(?<quote>["'\`])(?<value>[^"'\`\\r\\n]{6,512})\\k<quote>`,
  "gi",
);
/** Without quotes a value ends with its line, and only files that know no other values are read so. */
const BARE = new RegExp(
  `^[ \\t]*(?:export[ \\t]+|-[ \\t]+)?(?<name>${NAME})[ \\t]{0,8}[=:][ \\t]{0,8}(?<value>[^\\s"'\`#]{6,512})[ \\t]*(?:#.*)?$`,
  "gim",
);
const BARE_FILES =
  /(?:^|\/)(?:\.env[\w.-]*|[^/]*\.(?:env|ini|cfg|conf|properties|ya?ml|toml|tfvars|sh|netrc)|Dockerfile[\w.-]*)$/i;

/** Names that say a password; what people think of as one is seldom random. */
const PASSWORD = /pass(?:word|wd|phrase)s?|pwd/i;
/** Names of what is about a secret and is none: a count, a file, a name, a kind. */
const ABOUT =
  /(?:max|min|num|total|count|prompt|completion|input|output|next|page|used|per)[_-]?tokens?|tokens?[_-]?(?:count|limit|type|url|endpoint|name|file|path|id|budget|ttl)$|(?:file|path|name|url|uri|type|kind|id|hash|digest|header|field|param|label|title|hint|prefix|regex|pattern|length|size|error|message|ttl|expiry)s?$/i;

const MIN_PASSWORD_CHARS = 8;
const MIN_RANDOM_CHARS = 12;
/** Of a part between slashes; names of folders that mix letters and digits are shorter. */
const MIN_KEY_CHARS = 16;
const MAX_SIGHTINGS = 500;

/** A sentence, a file, a URL: not what a secret looks like. */
const PLAIN = /\s|^\.{0,2}\/|^~\/|^[a-z][a-z0-9+.-]*:\/\/|^[A-Za-z]:\\/;

/** One of 64 keys in base64 begins with a slash, as a path does; the parts of a path have names. */
function isPlain(value: string): boolean {
  if (!PLAIN.test(value)) return false;
  const parts = /^\/[A-Za-z0-9+/]+={0,2}$/.test(value) ? value.split("/") : [];
  return !parts.some((part) => part.length >= MIN_KEY_CHARS && hasThreeClasses(part) && looksRandom(part));
}

function isSecret(name: string, value: string): boolean {
  if (ABOUT.test(name) || isPlain(value) || isStandIn(value)) return false;
  if (value.length >= MIN_RANDOM_CHARS && looksRandom(value)) return true;
  return PASSWORD.test(name) && value.length >= MIN_PASSWORD_CHARS && hasThreeClasses(value);
}

function hasThreeClasses(text: string): boolean {
  return [/[a-z]/, /[A-Z]/, /[0-9]/, /[^A-Za-z0-9]/].filter((pattern) => pattern.test(text)).length >= 3;
}

/** @returns the values of secretive names that look like secrets. `path` says how the file writes its values. */
export function seeAssignedSecrets(text: string, path: string): readonly Sighting[] {
  const found: Sighting[] = [];
  for (const pattern of BARE_FILES.test(path) ? [QUOTED, BARE] : [QUOTED]) {
    for (const match of text.matchAll(pattern)) {
      if (found.length >= MAX_SIGHTINGS) return found;
      const { name = "", value = "" } = match.groups ?? {};
      if (!isSecret(name, value)) continue;
      const start = match.index + match[0].lastIndexOf(value);
      found.push({ kind: "secret", rule: "assigned-secret", severity: "block", start, end: start + value.length });
    }
  }
  return found;
}

/** Random text without a name: long, of mixed classes, in quotes. Digests and ids in hex are commonplace and left out. */
const ALONE = /(?<=["'`])(?<value>[A-Za-z0-9+/_-]{40,512}={0,2})(?=["'`])/g;
/** Files that are full of digests. */
const DIGEST_FILES = /(?:^|\/)(?:[^/]*lock[^/]*|[^/]*\.(?:sum|svg|map|ipynb|min\.js|pem|crt|csv))$/i;

/** @returns quoted texts that look drawn at random and have no name that says why. */
export function seeRandomTexts(text: string, path: string): readonly Sighting[] {
  if (DIGEST_FILES.test(path)) return [];
  const found: Sighting[] = [];
  for (const match of text.matchAll(ALONE)) {
    if (found.length >= MAX_SIGHTINGS) return found;
    const value = match[0];
    if (/^[0-9a-f-]+$/i.test(value) || /^sha(?:1|256|384|512)-/.test(value) || isPath(value)) continue;
    if (isStandIn(value) || !looksRandom(value)) continue;
    found.push({
      kind: "secret",
      rule: "random-text",
      severity: "advise",
      start: match.index,
      end: match.index + value.length,
    });
  }
  return found;
}

/** Several parts between slashes, most of them words. */
function isPath(value: string): boolean {
  const parts = value.split("/");
  return parts.length > 2 && parts.filter((part) => /^[a-z._-]*$/i.test(part)).length > parts.length / 2;
}
