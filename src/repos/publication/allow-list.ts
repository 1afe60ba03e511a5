/** What a person has looked at and lets through, with the reason. */
import { z } from "zod";
import { err, ok, type Result, refused } from "#base";
import type { Finding } from "./finding.ts";

/** Where a repository keeps its list; it is published with it, so it says no secret, only fingerprints. */
export const ALLOW_LIST_FILE = ".drover-publish.toml";
export const MAX_ALLOWED = 1_000;

/** Each field that is there has to fit; `reason` is what a later reader is told. */
export type Allowed = {
  readonly rule?: string;
  /** A file, or a folder with everything below it. */
  readonly path?: string;
  readonly fingerprint?: string;
  readonly reason: string;
};

function covers(allowed: Allowed, finding: Finding): boolean {
  if (allowed.rule !== undefined && allowed.rule !== finding.rule) return false;
  if (allowed.fingerprint !== undefined && allowed.fingerprint !== finding.fingerprint) return false;
  if (allowed.path === undefined) return true;
  const folder = allowed.path.replace(/\/+$/, "");
  return finding.path === folder || finding.path.startsWith(`${folder}/`);
}

export type Judged = {
  readonly findings: readonly Finding[];
  readonly allowed: readonly { readonly finding: Finding; readonly reason: string }[];
  /** Entries that fitted nothing: what they were for is gone, and so should they be. */
  readonly unused: readonly Allowed[];
};

/** Parts `findings` into those that stand and those that somebody let through. */
export function judge(findings: readonly Finding[], list: readonly Allowed[]): Judged {
  const standing: Finding[] = [];
  const through: { readonly finding: Finding; readonly reason: string }[] = [];
  const used = new Set<Allowed>();
  for (const finding of findings) {
    const by = list.find((entry) => covers(entry, finding));
    if (by === undefined) standing.push(finding);
    else {
      used.add(by);
      through.push({ finding, reason: by.reason });
    }
  }
  return { findings: standing, allowed: through, unused: list.filter((entry) => !used.has(entry)) };
}

const entry = z.strictObject({
  rule: z.string().min(1).max(64).optional(),
  path: z.string().min(1).max(1_024).optional(),
  fingerprint: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  reason: z.string().trim().min(10, "say why, in ten characters or more").max(500),
});
const list = z.strictObject({ allow: z.array(entry).max(MAX_ALLOWED).default([]) });

/** Reads the parsed file. @returns a failure that names each place that is wrong; an entry that would fit all is one. */
export function parseAllowList(tree: unknown, file: string): Result<readonly Allowed[]> {
  const read = list.safeParse(tree);
  if (!read.success) {
    const faults = read.error.issues.map(({ path, message }) => ({ path: path.join("."), reason: message }));
    return err(
      refused(
        "invalid",
        `${file} is wrong`,
        "Correct it: [[allow]] with rule, path or fingerprint, and reason",
        faults,
      ),
    );
  }
  const open = read.data.allow.findIndex(({ rule, path, fingerprint }) => (rule ?? path ?? fingerprint) === undefined);
  if (open !== -1) {
    return err(
      refused(
        "invalid",
        `${file}: entry ${open + 1} would let everything through`,
        "Say which rule, path or fingerprint",
      ),
    );
  }
  return ok(
    read.data.allow.map(
      (allowed) => Object.fromEntries(Object.entries(allowed).filter(([, value]) => value !== undefined)) as Allowed,
    ),
  );
}
