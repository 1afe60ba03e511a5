/** What could be better in a repository: a look without models, without running anything, without a node. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { type Column, type Console, EXIT, type ImprovementScanOptions } from "#cli";
import {
  ALLOW_LIST_FILE,
  type Allowed,
  parseAllowList,
  type Ranked,
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
  const root = await repositoryRoot(folder);
  if (!root.ok) return console.fail(root.error);
  const state = await trackedState(root.value, options.revision ?? "HEAD");
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
  const { files, bytes, leftOut } = scan.value;
  if (console.json) {
    const findings = ranked.map(({ finding, score, why }) => ({ ...finding, score, why }));
    console.document({ root: root.value, revision: state.value.revision, files, bytes, leftOut, findings });
    return EXIT.ok;
  }
  const shown = ranked.slice(0, options.limit ?? SHOWN);
  if (shown.length > 0) console.table(shown, COLUMNS);
  for (const what of leftOut) console.line(`Not looked at: ${what}`);
  const more = ranked.length > shown.length ? `; ${ranked.length - shown.length} more with --limit` : "";
  console.line(`${files} files at ${state.value.revision.slice(0, 12)}: ${ranked.length} findings${more}`);
  return EXIT.ok;
}

/** The list of the state that is looked at; none is an empty one. */
async function allowListOf({ files, contents }: TrackedState): Promise<Result<readonly Allowed[]>> {
  const file = files.find(({ path }) => path === ALLOW_LIST_FILE);
  const text = file === undefined ? ok(undefined) : await contents.text(file);
  if (!text.ok || text.value === undefined) return text.ok ? ok([]) : text;
  try {
    return parseAllowList(Bun.TOML.parse(text.value), ALLOW_LIST_FILE);
  } catch (cause) {
    return err(refused("invalid", `cannot read ${ALLOW_LIST_FILE}: ${String(cause)}`));
  }
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
