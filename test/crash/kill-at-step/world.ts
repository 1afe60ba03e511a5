/** The folder in which a swap is killed, what must be true of it afterwards, and how a next start goes on. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ok, SimulatedClock, seededRandom, silentLogger } from "#base";
import {
  localSource,
  PROBATION,
  parseRootKeys,
  ReleaseStore,
  type SwapCrashPoint,
  type SwapPorts,
  SwapRun,
} from "#watchdog";
import { publicText } from "../../../src/runtime/signing/keys.ts";
import { anyExecutable, makePublisher, scriptOf, TARGET, v, writeRelease } from "../../support/releases.ts";

export const [OLDER, OLD, NEW] = [v("0.9.0"), v("1.0.0"), v("2.0.0")];
export const RELEASE = `release-${NEW}`;

/** A node that does whatever it is asked: here only files matter. */
const WILLING: SwapPorts = {
  selftest: async () => ok({ checks: [], changesState: false }),
  announce: () => undefined,
  drain: async () => ok(undefined),
  copyState: async () => ok("copy"),
  restoreState: async () => ok({ restored: true, remark: "put back" }),
  dropState: () => undefined,
  start: async () => ok(undefined),
  health: () => ({ ok: true, fault: null, boots: 1, requests: 0, serverErrors: 0 }),
};

/** The window of probation is over at once: what takes time there touches no file. */
const POLICY = { probation: { ...PROBATION, windowMs: 0 }, watchEveryMs: 1, keptReleases: 1 };

/** @param seed of the ids: each try has one of its own. */
export function openSwap(
  folder: string,
  crashPoint: SwapCrashPoint,
  seed: number,
): { readonly store: ReleaseStore; readonly swap: SwapRun } {
  const clock = new SimulatedClock();
  const roots = parseRootKeys([readFileSync(join(folder, "root.pub"), "utf8")]);
  if (!roots.ok) throw new Error(`no root key: ${roots.error}`);
  const store = new ReleaseStore({
    folder: join(folder, "releases"),
    clock,
    roots: roots.value,
    target: TARGET,
    wishes: () => ({ channel: null, pinned: null, schema: { fleet: null, node: null } }),
    crashPoint,
    executableCheck: anyExecutable,
  });
  return {
    store,
    swap: new SwapRun({
      store,
      ports: WILLING,
      clock,
      random: seededRandom(seed),
      policy: POLICY,
      logger: silentLogger,
    }),
  };
}

/** Puts two installed releases, a third to come, and the control's executable into an empty folder. */
export async function makeWorld(folder: string): Promise<void> {
  const clock = new SimulatedClock();
  const publisher = makePublisher(clock.nowMs());
  writeFileSync(join(folder, "root.pub"), publicText(publisher.root.publicKey));
  const { store, swap } = openSwap(folder, () => undefined, 1);
  const installed = join(folder, "installed");
  writeFileSync(installed, scriptOf(OLDER), { mode: 0o755 });
  for (const step of [store.prepare(), store.importRunning(installed, OLDER), store.setLinks(OLDER, null)]) {
    if (!step.ok) throw new Error(step.error.message);
  }
  const order = { askedBy: "the test", mayBeOlder: false, again: true };
  const done = await swap.update(localSource(writeRelease(folder, OLD, clock.nowMs(), publisher)), order);
  if (!done.ok) throw new Error(done.error.message);
  writeRelease(folder, NEW, clock.nowMs(), publisher, { manifest: { minimumVersion: OLD } });
  mkdirSync(join(folder, "naive"));
  writeFileSync(join(folder, "naive", "drover"), scriptOf(OLD), { mode: 0o755 });
}

export async function swapIn(folder: string, crashPoint: SwapCrashPoint, seed = 2): Promise<void> {
  const { swap } = openSwap(folder, crashPoint, seed);
  const order = { askedBy: "the test", mayBeOlder: false, again: true };
  const done = await swap.update(localSource(join(folder, RELEASE)), order);
  if (!done.ok) throw new Error(done.error.message);
}

/** What a program says when it is started, null when it cannot be. */
export function says(binary: string): string | null {
  const done = spawnSync(binary, [], { encoding: "utf8" });
  return done.status === 0 ? done.stdout.trim() : null;
}

export type Aftermath = {
  /** What is started right after the kill. */
  readonly before: string | null;
  /** And after the next start put things in order. */
  readonly after: string | null;
  /** What is wrong; empty when nothing is. */
  readonly faults: readonly string[];
};

/** Looks at a folder in which something was killed, then starts in it as the watchdog would, and swaps again. */
export async function aftermath(folder: string): Promise<Aftermath> {
  const current = join(folder, "releases", "current", "drover");
  const before = says(current);
  const faults: string[] =
    before === OLD || before === NEW ? [] : [`right after the kill, current says ${before ?? "nothing"}`];
  const { store, swap } = openSwap(folder, () => undefined, 3);
  const recovery = swap.recover();
  if (!recovery.ok) return { before, after: null, faults: [...faults, `recovery: ${recovery.error.message}`] };
  if (recovery.value.resume) await swap.resume();
  const after = says(current);
  const links = `${store.folder.linked("current") ?? "-"} ${store.folder.linked("previous") ?? "-"}`;
  if (links !== `${OLD} ${OLDER}` && links !== `${NEW} ${OLD}`) faults.push(`links ${links}`);
  if (after !== store.folder.linked("current")) faults.push(`current says ${after ?? "nothing"}`);
  if (store.records.journal() !== null) faults.push("the journal is still there");
  const rows = store.records.history().filter(({ version }) => version === NEW);
  const isCommitted = rows.some(({ result }) => result === "committed");
  const floor = store.records.floor();
  if ((floor === OLD) !== isCommitted) faults.push(`floor ${floor ?? "-"}, committed: ${isCommitted}`);
  if (rows.length > 1 || isCommitted !== (after === NEW)) faults.push(`${rows.length} rows, committed: ${isCommitted}`);
  const strange = readdirSync(store.folder.path).filter((name) => name.startsWith(".") || name.endsWith(".new"));
  if (strange.length > 0) faults.push(`left behind: ${strange.join(", ")}`);
  if (after === OLD) await swapIn(folder, () => undefined, 4);
  if (says(current) !== NEW) faults.push(`the next swap did not reach ${NEW}`);
  return { before, after, faults };
}
