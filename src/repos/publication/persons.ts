/** References to people: home folders, e-mail addresses, and the words that an operator names. */
import type { Sighting } from "./finding.ts";

const HOME = /(?:\/home\/|\/Users\/|[A-Za-z]:(?:\\{1,2}|\/)Users(?:\\{1,2}|\/))(?<name>[A-Za-z][\w.-]{0,63})/g;
/** Accounts that exist on machines and are nobody's, and names that documents use. */
const NOBODY = new Set(
  "user username users you me name yourname your-name someone somebody root admin runner ubuntu debian fedora ec2-user vagrant node app dev developer build builder ci git docker vscode codespace coder jovyan linuxbrew public shared default guest example test alice bob carol foo bar drover ollama postgres".split(
    " ",
  ),
);

const EMAIL =
  /(?<![\w.+/:@-])(?<name>[A-Za-z0-9][\w.+-]{0,63})@(?<domain>(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,5}[A-Za-z]{2,24})(?![\w@-]|\.\w|:)/g;
/** Addresses that are nobody's, or meant to be read by all. */
const PUBLIC_DOMAINS =
  /(?:^|\.)(?:example\.(?:com|org|net)|example|test|invalid|localhost|users\.noreply\.github\.com|noreply\.[a-z.]+)$/i;
const PUBLIC_NAMES =
  /^(?:no-?reply|git|info|support|security|hello|contact|help|admin|postmaster|abuse|webmaster|licens(?:e|ing)|press|sales|team)$/i;
/** `logo@2x.png` and `pkg@1.2.beta` are no addresses. */
const FILE_ENDS = /\.(?:png|jpe?g|gif|svg|webp|js|ts|json|css|md|tgz|html?)$/i;

const MAX_SIGHTINGS = 1_000;

/** @returns references to people. `watched` are words of the operator's own (names, addresses, handles), found in any case. */
export function seePersons(text: string, watched: readonly string[]): readonly Sighting[] {
  return [...homes(text), ...emails(text), ...watched.flatMap((word) => words(text, word))].slice(0, MAX_SIGHTINGS);
}

function homes(text: string): readonly Sighting[] {
  return [...text.matchAll(HOME)].flatMap((match) => {
    const name = match.groups?.["name"] ?? "";
    if (NOBODY.has(name.toLowerCase())) return [];
    const end = match.index + match[0].length;
    return [person("home-folder", "block", end - name.length, end, "user")];
  });
}

function emails(text: string): readonly Sighting[] {
  return [...text.matchAll(EMAIL)].flatMap((match) => {
    const { name = "", domain = "" } = match.groups ?? {};
    if (PUBLIC_DOMAINS.test(domain) || PUBLIC_NAMES.test(name) || FILE_ENDS.test(domain)) return [];
    return [person("e-mail", "advise", match.index, match.index + match[0].length, "user@example.com")];
  });
}

function words(text: string, word: string): readonly Sighting[] {
  if (word.trim() === "") return [];
  const pattern = new RegExp(`(?<![\\p{L}\\p{N}_])${RegExp.escape(word)}(?![\\p{L}\\p{N}_])`, "giu");
  return [...text.matchAll(pattern)].map((match) =>
    person("watched-word", "block", match.index, match.index + match[0].length),
  );
}

function person(
  rule: string,
  severity: Sighting["severity"],
  start: number,
  end: number,
  replacement?: string,
): Sighting {
  return { kind: "person", rule, severity, start, end, ...(replacement === undefined ? {} : { replacement }) };
}
