/** One deterministic look at a repository, kept in the store. */
import { type Clock, ok, type Result } from "#base";
import {
  allowListOf,
  type Digest,
  MANIFESTS,
  type ProjectCommand,
  preferRegistered,
  projectCommands,
  type RegisteredChecks,
  rankFindings,
  scanRepository,
  type TrackedState,
} from "#repos";
import { holdsQuote } from "./model-scan.ts";
import type { ImprovedRepositories, ImprovementStore } from "./ports.ts";

/** Findings of one repository that are kept: the best of them; nobody reads more. */
const MAX_KEPT = 1_000;

export type LookParts = {
  readonly repositories: ImprovedRepositories;
  readonly store: ImprovementStore;
  readonly digest: Digest;
  readonly clock: Clock;
  /** An unchanged repository is looked at again after so long: rules change with releases. */
  readonly everyMs: number;
};

export class Look {
  readonly #parts: LookParts;

  constructor(parts: LookParts) {
    this.#parts = parts;
  }

  /** @returns whether it was looked at; not where nothing changed since the last time */
  async at(name: string): Promise<Result<boolean>> {
    const { repositories, store, digest, clock, everyMs } = this.#parts;
    // A push may be what woke the mind for this look.
    const state = await repositories.open(name, true);
    if (!state.ok) return state;
    const scans = store.scans();
    if (!scans.ok) return scans;
    const atMs = clock.nowMs();
    const last = scans.value.find(({ repository }) => repository === name);
    if (last?.revision === state.value.revision && atMs - last.atMs < everyMs) return ok(false);
    const allowed = await allowListOf(state.value);
    const cache = repositories.cache(name);
    const scan = await scanRepository(state.value.files, {
      contents: state.value.contents,
      cache,
      allowed: allowed.ok ? allowed.value : [],
      digest,
      elapsedMs: () => clock.monotonicMs(),
    });
    if (!scan.ok) return scan;
    cache.keep();
    const { findings, files, read, leftOut } = scan.value;
    const kept = rankFindings(findings)
      .slice(0, MAX_KEPT)
      .map(({ finding }) => finding);
    const beyond =
      findings.length > kept.length ? [`${findings.length - kept.length} findings of the lowest rank`] : [];
    const unread = allowed.ok ? [] : [`what is allowed: ${allowed.error.message}`];
    const record = {
      repository: name,
      revision: state.value.revision,
      atMs,
      files,
      read,
      findings: kept.length,
      leftOut: [...leftOut, ...beyond, ...unread],
    };
    // A look that left something out proves nothing to be gone.
    const recorded = await store.record(record, "scan", kept, leftOut.length === 0 ? "all" : []);
    if (!recorded.ok) return recorded;
    const forgotten = await this.#forgetModel(name, state.value);
    return forgotten.ok ? ok(true) : forgotten;
  }

  /** What a model said is gone with the line that it quoted. */
  async #forgetModel(name: string, { files, contents }: TrackedState): Promise<Result<void>> {
    const { store } = this.#parts;
    const known = store.findings({ repository: name, states: ["open"], limit: MAX_KEPT });
    if (!known.ok) return known;
    const gone: string[] = [];
    for (const { source, path, evidence, fingerprint } of known.value) {
      if (source !== "model") continue;
      const file = files.find((one) => one.path === path);
      const text = file === undefined ? ok(undefined) : await contents.text(file);
      if (!text.ok) return text;
      if (text.value === undefined || !holdsQuote(text.value, evidence)) gone.push(fingerprint);
    }
    return gone.length === 0 ? ok(undefined) : store.markGone(name, gone);
  }

  /** By which commands the repository checks itself. */
  async commands(name: string): Promise<Result<readonly ProjectCommand[]>> {
    const { repositories } = this.#parts;
    const state = await repositories.open(name);
    return state.ok ? commandsIn(state.value, repositories.checks(name)) : state;
  }
}

export async function commandsIn(
  { files, contents }: TrackedState,
  checks: Result<RegisteredChecks>,
): Promise<Result<readonly ProjectCommand[]>> {
  if (!checks.ok) return checks;
  const texts = new Map<string, string>();
  for (const file of files) {
    if (!MANIFESTS.some((name) => name === file.path)) continue;
    const text = await contents.text(file);
    if (!text.ok) return text;
    if (text.value !== undefined) texts.set(file.path, text.value);
  }
  const found = projectCommands(texts, new Set(files.map(({ path }) => path)));
  return ok(preferRegistered(checks.value, found));
}
