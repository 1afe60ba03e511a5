/** What could be better in a repository: a look without models, without running anything, without a node. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { ok, type Result, refused } from "#base";
import { type Column, type Console, EXIT, type ImprovementScanOptions } from "#cli";
import {
  allowListOf,
  folderState,
  type Ranked,
  type RepositoryScan,
  rankFindings,
  repositoryRoot,
  scanRepository,
  type TrackedState,
  trackedState,
} from "#repos";
import { realClock } from "../real-clock.ts";

const SHOWN = 50;

export async function improvementScan(options: ImprovementScanOptions, console: Console): Promise<number> {
  const folder = resolve(options.directory);
  if (!existsSync(folder)) {
    return console.fail(refused("not_found", `${folder} does not exist`, "Name a folder of a repository"));
  }
  if (options.workingTree && options.revision !== undefined) {
    const failure = refused("invalid", "--working-tree and --revision exclude each other", "Give one of them");
    return console.fail({ failure, exit: EXIT.usage });
  }
  const state = await stateOf(folder, options);
  if (!state.ok) return console.fail(state.error);
  const allowed = await allowListOf(state.value);
  if (!allowed.ok) return console.fail(allowed.error);
  const scan = await scanRepository(state.value.files, {
    contents: state.value.contents,
    cache: { get: () => undefined, put: () => undefined },
    allowed: allowed.value,
    digest: (text) => createHash("sha256").update(text).digest("hex"),
    elapsedMs: () => realClock.monotonicMs(),
  });
  if (!scan.ok) return console.fail(scan.error);
  const ranked = rankFindings(scan.value.findings);
  const { expectGone } = options;
  if (expectGone !== undefined) return sayGone(expectGone, ranked, console);
  if (console.json) console.document(documentOf(state.value, scan.value, ranked));
  else report(state.value, scan.value, ranked, options.limit ?? SHOWN, console);
  return EXIT.ok;
}

type Looked = TrackedState & { readonly root: string };

async function stateOf(folder: string, { workingTree, revision }: ImprovementScanOptions): Promise<Result<Looked>> {
  if (workingTree) {
    const state = folderState(folder);
    return state.ok ? ok({ ...state.value, root: folder, revision: "working tree" }) : state;
  }
  const root = await repositoryRoot(folder);
  if (!root.ok) return root;
  const state = await trackedState(root.value, revision ?? "HEAD");
  return state.ok ? ok({ ...state.value, root: root.value }) : state;
}

/** For the check of a goal: exit code 1 while the finding is there. */
function sayGone(fingerprint: string, ranked: readonly Ranked[], console: Console): number {
  const there = ranked.find(({ finding }) => finding.fingerprint === fingerprint)?.finding;
  if (console.json) console.document({ fingerprint, gone: there === undefined });
  else if (there === undefined) console.line(`${fingerprint} is gone`);
  else
    console.line(`${fingerprint} is still there: ${there.path}:${there.line ?? ""} ${there.title}\n${there.evidence}`);
  return there === undefined ? EXIT.ok : EXIT.failed;
}

function documentOf({ root, revision }: Looked, { files, bytes, leftOut }: RepositoryScan, ranked: readonly Ranked[]) {
  const findings = ranked.map(({ finding, score, why }) => ({ ...finding, score, why }));
  return { root, revision, files, bytes, leftOut, findings };
}

function report(
  { revision }: Looked,
  { files, leftOut }: RepositoryScan,
  ranked: readonly Ranked[],
  limit: number,
  console: Console,
): void {
  const shown = ranked.slice(0, limit);
  if (shown.length > 0) console.table(shown, COLUMNS);
  for (const what of leftOut) console.line(`Not looked at: ${what}`);
  const more = ranked.length > shown.length ? `; ${ranked.length - shown.length} more with --limit` : "";
  console.line(`${files} files at ${revision.slice(0, 12)}: ${ranked.length} findings${more}`);
}

const COLUMNS: readonly Column<Ranked>[] = [
  { title: "SCORE", value: ({ score }) => score.toFixed(1), align: "right" },
  {
    title: "SEVERITY",
    value: ({ finding }) => finding.severity,
    tone: ({ finding }) =>
      finding.severity === "critical" || finding.severity === "high"
        ? "bad"
        : finding.severity === "medium"
          ? "warn"
          : undefined,
  },
  { title: "KIND", value: ({ finding }) => finding.kind },
  {
    title: "WHERE",
    value: ({ finding: { path, line } }) => (line === null ? path || "-" : `${path}:${line}`),
  },
  { title: "WHAT", value: ({ finding }) => finding.title, shrinks: true },
  { title: "FINGERPRINT", value: ({ finding }) => finding.fingerprint, optional: true },
];
