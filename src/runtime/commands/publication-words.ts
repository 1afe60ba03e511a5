/** How the findings of a scan are told to a person. */
import type { Column } from "#cli";
import type { Finding } from "#repos";

export const FINDING_COLUMNS: readonly Column<Finding>[] = [
  { title: "", value: ({ severity }) => severity, tone: ({ severity }) => (severity === "block" ? "bad" : "warn") },
  { title: "WHERE", value: ({ path, line, column }) => (line === null ? path : `${path}:${line}:${column}`) },
  { title: "RULE", value: ({ kind, rule }) => `${kind}: ${rule}` },
  { title: "WHAT", value: ({ shown }) => shown, shrinks: true },
  { title: "FINGERPRINT", value: ({ fingerprint }) => fingerprint, optional: true },
];
