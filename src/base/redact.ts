/** What stands in the place of a secret. */
export const REDACTED = "[redacted]";

/** Field names whose values are secrets wherever they occur. */
const SECRET_FIELD = /(token|secret|password|passwd|api[_-]?key|authorization|cookie|private[_-]?key|credential)/i;

/** Shapes that are secrets wherever they occur in text: bearer headers, well-known key prefixes, keys in URLs. */
const SECRET_TEXT: readonly RegExp[] = [
  /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/g,
  /\b(sk|pk|rk)-[A-Za-z0-9_-]{16,}\b/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}\b/g,
  /\bxox[abprs]-[A-Za-z0-9-]{10,}\b/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\bdrv_[A-Za-z0-9_-]{20,}\b/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g,
  /(?<=:\/\/[^/\s:@]{0,64}:)[^/\s@]{1,256}(?=@)/g,
  // A token is often given as the name, without a password.
  /(?<=\bhttps?:\/\/)[^/\s:@]{1,512}(?=@)/gi,
  /(?<=[?&](?:[a-z]{1,20}[_-])?(?:token|api[_-]?key|key|secret|password|sig|signature|auth)=)[^&\s#"'<>]{1,512}/gi,
];

/** How deep objects are followed; what lies deeper is dropped, so that a cyclic value ends. */
const MAX_DEPTH = 6;

/** @returns `text` with everything that looks like a secret replaced. Idempotent. */
export function redactText(text: string): string {
  return SECRET_TEXT.reduce((clean, pattern) => clean.replace(pattern, REDACTED), text);
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
