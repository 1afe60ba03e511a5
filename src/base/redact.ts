/** What stands in the place of a secret. */
export const REDACTED = "[redacted]";

/** Field names whose values are secrets wherever they occur. */
const SECRET_FIELD = /(token|secret|password|passwd|api[_-]?key|authorization|cookie|private[_-]?key|credential)/i;

/**
 * Shapes that are secrets wherever they occur in text: bearer headers, well-known key prefixes, keys in addresses. Each with
 * a part that must be there: most texts have none, and every line of a log comes by here. Each is linear in its text, which
 * may be written to take long.
 */
const SECRET_TEXT: readonly (readonly [string, RegExp])[] = [
  ["Bearer", /\bBearer\s+[A-Za-z0-9._~+/=-]{8,}/g],
  ["Basic", /\bBasic\s+[A-Za-z0-9._~+/=-]{8,}/g],
  ["k-", /\b(sk|pk|rk)-[A-Za-z0-9_-]{16,}\b/g],
  ["gh", /\bgh[pousr]_[A-Za-z0-9]{20,}\b/g],
  ["github_pat_", /\bgithub_pat_[A-Za-z0-9_]{20,}\b/g],
  ["glpat-", /\bglpat-[A-Za-z0-9_-]{16,}\b/g],
  ["xox", /\bxox[abprs]-[A-Za-z0-9-]{10,}\b/g],
  ["AKIA", /\bAKIA[0-9A-Z]{16}\b/g],
  ["drv_", /\bdrv_[A-Za-z0-9_-]{20,}\b/g],
  // Of one that is cut, what there is.
  ["PRIVATE KEY", /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g],
  ["://", /(?<=:\/\/[^/\s:@]{0,64}:)[^/\s@]{1,256}(?=@)/g],
  // A token is often given as the name, without a password.
  ["://", /(?<=\bhttps?:\/\/)[^/\s:@]{1,512}(?=@)/gi],
  // Addresses of chats that are passwords themselves.
  ["://", /(?<=\bhooks\.slack\.com\/(?:services|workflows)\/)[A-Za-z0-9/_-]{8,}/gi],
  ["://", /(?<=\bdiscord(?:app)?\.com\/api\/webhooks\/\d{1,24}\/)[A-Za-z0-9_-]{8,}/gi],
  ["://", /(?<=\bapi\.telegram\.org\/bot)\d{1,20}:[A-Za-z0-9_-]{8,}/gi],
  [
    "=",
    /(?<=[?&](?:[a-z]{1,20}[_-])?(?:token|api[_-]?key|key|secret|password|sig|signature|auth)=)[^&\s#"'<>]{1,512}/gi,
  ],
];

/** How deep objects are followed; what lies deeper is dropped, so that a cyclic value ends. */
const MAX_DEPTH = 6;

/** @returns `text` with everything that looks like a secret replaced. Idempotent. */
export function redactText(text: string): string {
  return SECRET_TEXT.reduce(
    (clean, [part, pattern]) => (clean.includes(part) ? clean.replace(pattern, REDACTED) : clean),
    text,
  );
}

/** @returns a copy of `value` in which fields named like secrets and texts shaped like secrets are replaced. */
export function redactValue(value: unknown): unknown {
  return redacted(value, 0, false);
}

/** Below a field named like a secret every text is one (`{ cookie: ["a=b"] }`); numbers stay, for `tokens` are counted. */
function redacted(value: unknown, depth: number, isSecret: boolean): unknown {
  if (typeof value === "string") return isSecret ? REDACTED : redactText(value);
  if (typeof value === "bigint") return value.toString(); // JSON has none, and a log line must not throw
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Error) return { name: value.name, message: redactText(value.message) };
  if (depth >= MAX_DEPTH) return "[too deep]";
  if (Array.isArray(value)) return value.map((item) => redacted(item, depth + 1, isSecret));
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      redacted(field, depth + 1, isSecret || SECRET_FIELD.test(name)),
    ]),
  );
}
