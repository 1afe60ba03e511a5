/** Who uses the state folder, and what a process that was killed left in it. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "#cli";
import { identify, isAlive, readWatchdogFile } from "#watchdog";
import { finding } from "./finding.ts";
import { type NamedProcess, namedProcess, PROC, parseFileLocks, readOptional } from "./proc.ts";

export type LockFacts = {
  /** Who holds watchdog.lock; null when nobody does; undefined where the system does not say. */
  readonly holder: NamedProcess | null | undefined;
  /** What watchdog.json says; null when there is none. */
  readonly watchdog: { readonly pid: number; readonly nodePid: number | null; readonly safeMode: string | null } | null;
  readonly isWatchdogFileDamaged: boolean;
  /** Whether the node that watchdog.json names lives. */
  readonly isNodeAlive: boolean;
  /** What node.json says; null when there is none. */
  readonly node: { readonly pid: number; readonly isAlive: boolean } | null;
};

export function lockFindings(facts: LockFacts): readonly Finding[] {
  const { holder, watchdog, node } = facts;
  if (holder === undefined) return [finding("lock", "ok", "who uses the state folder cannot be seen on this system")];
  if (holder !== null) return heldFindings(holder, facts);
  if (facts.isWatchdogFileDamaged) {
    const detail = "watchdog.json cannot be understood, and no watchdog runs";
    return [finding("lock", "warn", detail, "The next start writes it anew: drover up")];
  }
  if (watchdog !== null && facts.isNodeAlive) {
    const detail = `the watchdog (process ${watchdog.pid}) has ended; its node (process ${watchdog.nodePid}) goes on alone`;
    return [finding("lock", "warn", detail, "Have it watched again; nobody is refused meanwhile: drover up")];
  }
  if (watchdog !== null) {
    const detail = `watchdog.json was left by process ${watchdog.pid}, which was killed`;
    return [finding("lock", "warn", detail, "Start again; it is written anew: drover up")];
  }
  if (node?.isAlive === true) return [finding("lock", "ok", `a node without a watchdog runs (process ${node.pid})`)];
  if (node !== null) {
    const detail = `node.json was left by process ${node.pid}, which was killed`;
    return [finding("lock", "warn", detail, "Start again; it is written anew: drover up")];
  }
  return [finding("lock", "ok", "nothing runs on the state folder")];
}

function heldFindings(holder: NamedProcess, { watchdog }: LockFacts): readonly Finding[] {
  if (watchdog?.pid !== holder.pid) {
    const named = watchdog === null ? "there is no watchdog.json" : `watchdog.json names process ${watchdog.pid}`;
    const detail = `${holder.name} (process ${holder.pid}) holds watchdog.lock, and ${named}`;
    return [
      finding("lock", "fail", detail, `drover up is refused until it ends; look at it with: ps -fp ${holder.pid}`),
    ];
  }
  const own = finding("lock", "ok", `watched by process ${holder.pid}`);
  if (watchdog.safeMode === null) return [own];
  const remedy = "See drover status; when the cause is gone: drover node restart, or go back with: drover rollback";
  return [own, finding("watchdog", "fail", `safe mode is on: ${watchdog.safeMode}`, remedy)];
}

export function lookAtLock(stateDir: string): LockFacts {
  const path = join(stateDir, "watchdog.json");
  const file = readWatchdogFile(path);
  const nodePid = pidIn(readOptional(join(stateDir, "node.json")));
  return {
    holder: holderOf(join(stateDir, "watchdog.lock")),
    watchdog: file === undefined ? null : { pid: file.pid, nodePid: file.node?.pid ?? null, safeMode: file.safeMode },
    isWatchdogFileDamaged: file === undefined && readOptional(path) !== undefined,
    isNodeAlive: file !== undefined && file.node !== null && isAlive(file.node),
    node: nodePid === null ? null : { pid: nodePid, isAlive: identify(nodePid) !== undefined },
  };
}

/** Living processes of the folder, by what its files say. */
export function ownProcesses({ holder, watchdog, isNodeAlive, node }: LockFacts): readonly number[] {
  return [
    ...(holder !== undefined && holder !== null ? [holder.pid] : []),
    ...(isNodeAlive && watchdog !== null && watchdog.nodePid !== null ? [watchdog.nodePid] : []),
    ...(node?.isAlive === true ? [node.pid] : []),
  ];
}

/** Asks the kernel's list instead of trying to lock: a watchdog that starts at this moment must not be refused. */
function holderOf(path: string): NamedProcess | null | undefined {
  const locks = readOptional(join(PROC, "locks"));
  if (locks === undefined) return undefined;
  const inode = statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
  const lock = parseFileLocks(locks).find((each) => each.inode === String(inode));
  return lock === undefined ? null : namedProcess(lock.pid);
}

function pidIn(text: string | undefined): number | null {
  const pid = Number(/"pid":\s*(\d+)/.exec(text ?? "")?.[1] ?? 0);
  return pid > 0 ? pid : null;
}
