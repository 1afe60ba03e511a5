/** Files that belong to whoever works in a folder, and not to what is published. */
import type { Severity } from "./finding.ts";

type FileRule = { readonly rule: string; readonly severity: Severity; readonly pattern: RegExp };

const RULES: readonly FileRule[] = [
  {
    rule: "key-file",
    severity: "block",
    pattern:
      /(?:^|\/)(?:id_(?:rsa|dsa|ecdsa|ed25519)|[^/]+\.(?:p12|pfx|jks|keystore|kdbx|ppk)|\.netrc|\.pgpass|\.htpasswd|\.npmrc\.local|credentials\.json|service-account[^/]*\.json)$/i,
  },
  {
    rule: "environment-file",
    severity: "block",
    pattern: /(?:^|\/)\.env(?!\.(?:example|sample|template|dist|defaults)$)(?:\.[\w.-]+)?$/i,
  },
  {
    rule: "database-file",
    severity: "block",
    pattern: /(?:^|\/)(?:fleet|node)\.db(?:-wal|-shm)?$|\.(?:sqlite3?|db3)(?:-wal|-shm|-journal)?$/i,
  },
  {
    rule: "folder-of-a-tool",
    severity: "block",
    pattern: /(?:^|\/)(?:\.drover|node_modules|\.venv|__pycache__|\.terraform|\.gradle|\.aws|\.ssh|\.gnupg|\.kube)\//,
  },
  { rule: "state-of-terraform", severity: "block", pattern: /\.tfstate(?:\.backup)?$/i },
  { rule: "core-dump", severity: "block", pattern: /(?:^|\/)(?:core(?:\.\d+)?|[^/]+\.(?:dmp|hprof|heapsnapshot))$/i },
  {
    rule: "left-by-an-editor",
    severity: "advise",
    pattern: /(?:^|\/)(?:\.DS_Store|Thumbs\.db|desktop\.ini|[^/]+(?:~|\.sw[op]|\.orig|\.rej|\.bak)|\.idea\/.*)$/i,
  },
  { rule: "log-file", severity: "advise", pattern: /(?:^|\/)(?:npm-debug|yarn-error|pnpm-debug)\.log(?:\.\d+)?$/i },
];

/** @returns why the file at `path` (relative, with "/") should stay where it is. */
export function seeFile(path: string): { readonly rule: string; readonly severity: Severity } | undefined {
  return RULES.find(({ pattern }) => pattern.test(path));
}
