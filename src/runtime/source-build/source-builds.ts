/**
 * Releases of changed source: one try at a time, each in a folder of its own under `source-builds/` of the state, and a
 * row for each. A try whose node was killed is found by its folder at the next start, ended and recorded.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { SourceBuild, SourceBuildOrder, SourceBuildPort, SourceBuilds as View, WatchdogPort } from "#api";
import {
  describeFailure,
  err,
  type Failure,
  type JsonValue,
  type Logger,
  ok,
  type Random,
  type Result,
  refused,
  retryable,
} from "#base";
import { endMarked, removeConfined, StopSwitch } from "#execution";
import { parseVersion, type Version } from "#watchdog";
import { writeDurably } from "../state-folder.ts";
import { isOpen, recentFailures, withSwaps } from "./build-failures.ts";
import { BuildRecords } from "./build-records.ts";
import { type BuildEnd, type BuildParts, changesSha256, runBuild } from "./build-run.ts";

/** What a build asks before it begins, and what counts its failures. */
export type BuildGate = {
  /** Why none may begin now; undefined when one may. */
  readonly held: () => Promise<Failure | undefined>;
};

type Parts = BuildParts & {
  readonly version: string;
  readonly random: Random;
  readonly logger: Logger;
  readonly watchdog: WatchdogPort;
  readonly gate: BuildGate;
};

/** Shown by one answer: each has some kilobytes of output. */
const ROWS_SHOWN = 20;
const NAME = /^b-[a-z0-9-]{1,60}$/;
const MAX_DRAFT_BYTES = 64 * 1024;

type UnderWay = { readonly draft: Draft; readonly stop: StopSwitch; step: string; ended: Promise<void> };

/** What is known of a try when it begins; lies in its folder. */
const draftSchema = z.object({
  id: z.string(),
  source: z.string(),
  changesSha256: z.string().nullable(),
  askedBy: z.string(),
  checkOnly: z.boolean(),
  sandbox: z.string(),
  startedAtMs: z.int(),
  marker: z.string().regex(/^[0-9a-f]{32}$/),
});
type Draft = z.infer<typeof draftSchema>;

export class SourceBuilds implements SourceBuildPort {
  readonly #parts: Parts;
  readonly #folder: string;
  readonly #records: BuildRecords;
  #isBusy = false;
  #isStopped = false;
  #underWay: UnderWay | undefined;
  #recovered: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#folder = join(parts.stateDir, "source-builds");
    this.#records = new BuildRecords(this.#folder);
  }

  /** Ends and removes what an earlier node left. @returns when that is done; builds wait for it. */
  start(): Promise<void> {
    this.#recovered ??= this.#recover();
    return this.#recovered;
  }

  /** Ends the try under way, and all its processes. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#underWay?.stop.request({ by: "machine", reason: "the node was stopped" });
    await this.#underWay?.ended;
    await this.#recovered;
  }

  recentFailures(nowMs: number): number {
    return recentFailures(this.#records.rows(), nowMs, this.#records.forgivenAtMs);
  }

  /** What failed until now counts no more. */
  forgive(nowMs: number): void {
    this.#records.forgive(nowMs);
  }

  /** Learns from the watchdog how the swaps to earlier builds ended. */
  async settle(): Promise<void> {
    if (!this.#records.rows().some(isOpen)) return;
    const releases = await this.#releases();
    if (!releases.ok) return; // It may be a moment away; the next look asks again.
    const rows = this.#records.rows();
    const settled = withSwaps(rows, releases.value.history);
    if (settled !== rows) this.#records.replace(settled);
  }

  async view(): Promise<View> {
    await this.settle();
    const { draft, step } = this.#underWay ?? {};
    const building =
      draft === undefined || step === undefined
        ? null
        : { id: draft.id, source: draft.source, step, startedAtMs: draft.startedAtMs };
    return { building, builds: this.#records.rows().slice(-ROWS_SHOWN) };
  }

  async begin(order: SourceBuildOrder): Promise<Result<{ readonly id: string }>> {
    const key = this.#parts.readKey();
    if (!key.ok) return key;
    if (this.#isBusy) return err(retryable("in_use", "another build is under way", "Wait for it: drover releases"));
    this.#isBusy = true;
    const begun = await this.#begin(order).catch((cause: unknown) =>
      err(retryable("unavailable", `begin a build: ${String(cause)}`)),
    );
    if (!begun.ok) this.#isBusy = false;
    return begun;
  }

  async #begin(order: SourceBuildOrder): Promise<Result<{ readonly id: string }>> {
    await this.start();
    const held = await this.#parts.gate.held();
    if (held !== undefined) return err(held);
    const current = await this.#mayInstall(order);
    if (!current.ok) return current;
    if (this.#isStopped) return err(retryable("unavailable", "this node is about to end", "Ask the next one"));
    const { clock, random, sandbox } = this.#parts;
    const draft: Draft = {
      id: `b-${clock.nowMs().toString(36)}-${Buffer.from(random.bytes(3)).toString("hex")}`,
      source: order.source,
      changesSha256: changesSha256(order),
      askedBy: order.requestedBy === null ? "a person, through the API" : `${order.requestedBy}, through the API`,
      checkOnly: order.checkOnly,
      sandbox: sandbox.mode,
      startedAtMs: clock.nowMs(),
      marker: Buffer.from(random.bytes(16)).toString("hex"),
    };
    const folder = join(this.#folder, draft.id);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeDurably(join(folder, "build.json"), JSON.stringify(draft));
    const underWay: UnderWay = { draft, stop: new StopSwitch(), step: "copied", ended: Promise.resolve() };
    this.#underWay = underWay;
    underWay.ended = this.#carryOut(order, underWay, folder, current.value);
    return ok({ id: draft.id });
  }

  /** What can be known before minutes are spent. @returns what runs now. */
  async #mayInstall(order: SourceBuildOrder): Promise<Result<Version>> {
    const { config, version, target, stateDir, sandbox } = this.#parts;
    if (`${stateDir}/`.startsWith(`${resolve(order.source)}/`)) {
      return err(refused("invalid", `${order.source} holds this node's state`, "Name the folder of drover's source"));
    }
    // There only another user keeps files from commands.
    if (sandbox.mode === "limits" && sandbox.support.uid !== 0) {
      const message = "in sandbox mode limits a build could read the key that its release is signed with";
      return err(refused("unsupported", message, "Use sandbox mode strict or kernel, or run drover as root"));
    }
    const own = parseVersion(version) ?? parseVersion("0.0.0");
    if (own === undefined) return err(refused("unsupported", `${version} is no version`));
    if (order.checkOnly) return ok(own);
    if (target === "source") {
      return err(refused("unsupported", "drover runs from source here, so it has no releases", "Use checkOnly"));
    }
    if (config["update.pin"] !== "") {
      const message = `this node is pinned to ${config["update.pin"]}, and a build has a version of its own`;
      return err(refused("conflict", message, "Remove update.pin, or only check"));
    }
    const releases = await this.#releases();
    if (!releases.ok) return releases;
    if (releases.value.isSwapping) {
      return err(retryable("in_use", "an update is under way", "Wait until it has ended: drover releases"));
    }
    return ok(parseVersion(releases.value.current ?? "") ?? own);
  }

  async #carryOut(order: SourceBuildOrder, underWay: UnderWay, folder: string, current: Version): Promise<void> {
    const { logger } = this.#parts;
    const { draft, stop } = underWay;
    try {
      const began = (step: string): void => {
        underWay.step = step;
      };
      logger.info("a build from source begins", { id: draft.id, source: draft.source, askedBy: draft.askedBy });
      const facts = { order, folder, marker: draft.marker, current, stop, began };
      const end = await runBuild(facts, this.#parts);
      const row = await this.#rowOf(draft, end, stop, began);
      this.#records.add(row);
      logger.info("a build from source ended", { id: draft.id, result: row.result, reason: row.reason });
    } catch (cause) {
      logger.error("a build from source could not be recorded", { id: draft.id, cause: String(cause) });
    } finally {
      const removed = removeConfined(folder);
      if (!removed.ok) logger.warn("a build could not be removed", { reason: removed.error.message });
      this.#underWay = undefined;
      this.#isBusy = false;
    }
  }

  async #rowOf(draft: Draft, end: BuildEnd, stop: StopSwitch, began: (step: string) => void): Promise<SourceBuild> {
    const { clock } = this.#parts;
    const { commit, version, output, release } = end;
    const steps = [...end.steps];
    const row = (result: SourceBuild["result"], reason: string | null): SourceBuild => ({
      ...known(draft),
      commit,
      version,
      endedAtMs: clock.nowMs(),
      result,
      reason,
      steps,
      output,
      swap: null,
    });
    if (!release.ok) return row(stop.current === undefined ? "failed" : "interrupted", describeFailure(release.error));
    if (release.value === null) return row("checked", null);
    began("handedOver");
    const [atMs, startMs] = [clock.nowMs(), clock.monotonicMs()];
    const taken = await this.#parts.watchdog.ask("update", {
      from: release.value,
      allowOlder: false,
      again: false,
      askedBy: `build ${draft.id}, for ${draft.askedBy}`,
    });
    const detail = taken.ok ? "taken" : describeFailure(taken.error);
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    steps.push({ step: "handedOver", atMs, tookMs, ok: taken.ok, detail });
    return taken.ok ? row("built", null) : row("refused", detail);
  }

  async #releases() {
    const answer = await this.#parts.watchdog.ask("releases", null);
    return answer.ok ? ok(releasesOf(answer.value)) : answer;
  }

  async #recover(): Promise<void> {
    const { logger, clock } = this.#parts;
    if (!existsSync(this.#folder)) return;
    for (const name of readdirSync(this.#folder).filter((one) => NAME.test(one))) {
      const folder = join(this.#folder, name);
      try {
        const draft = draftIn(folder);
        if (draft !== undefined) {
          await endMarked(draft.marker, clock);
          const reason = "the node that built it ended";
          const rest = { commit: null, version: null, endedAtMs: clock.nowMs(), steps: [], output: "", swap: null };
          if (!this.#records.rows().some(({ id }) => id === draft.id))
            this.#records.add({ ...known(draft), ...rest, result: "interrupted", reason });
        }
        const removed = removeConfined(folder);
        if (!removed.ok) logger.warn("the rest of a build could not be removed", { reason: removed.error.message });
      } catch (cause) {
        logger.error("the rest of a build could not be cleared away", { folder, cause: String(cause) });
      }
    }
  }
}

function known({ marker: _marker, ...rest }: Draft): Omit<Draft, "marker"> {
  return rest;
}

function draftIn(folder: string): Draft | undefined {
  try {
    const text = readFileSync(join(folder, "build.json"), "utf8");
    return text.length > MAX_DRAFT_BYTES ? undefined : draftSchema.parse(JSON.parse(text));
  } catch {
    return undefined; // Killed before it was written: nothing had begun.
  }
}

const releasesSchema = z.object({
  current: z.string().nullable(),
  swap: z.unknown(),
  history: z.array(z.object({ version: z.string().nullable(), result: z.string() })),
});

/** The watchdog may be one release older or newer. */
function releasesOf(value: JsonValue) {
  const parsed = releasesSchema.safeParse(value);
  if (!parsed.success) return { current: null, isSwapping: false, history: [] };
  const { current, swap, history } = parsed.data;
  const rows = history.flatMap(({ version, result }) => (version === null ? [] : [{ version, result }]));
  return { current, isSwapping: swap !== null && swap !== undefined, history: rows };
}
