/**
 * Ends all of a supervised process. Four ways find what belongs to it, since each can be evaded alone: its process group
 * and session; the chain of parents; the mark in the environment, which survives setsid and double forks; and, in a
 * subreaper, being an orphan that carries no other mark.
 */
import { type Clock, sleep } from "#base";
import { adoptsOrphans, isOwn, reapOrphans } from "./orphans.ts";
import { type ProcessEntry, processTable, variableOf } from "./process-table.ts";

/** The variable by which everything that a supervised process starts is known as its own. */
export const MARK = "DROVER_SUPERVISED";

export type Tree = {
  /** Leads its own session and group. */
  readonly leader: number;
  readonly mark: string | undefined;
  /** What is to outlive it, with everything below: the workers of a node. */
  readonly spares: (entry: ProcessEntry) => boolean;
};

/** Short: what is sent SIGKILL ends within milliseconds, and a restart waits for it. */
const POLL_MS = 5;
/** Something is stuck in the kernel: no reason to keep a core busy. */
const STUCK_POLL_MS = 1_000;
const STUCK_AFTER_MS = 2_000;

/** Asks the whole group to end. One that is stopped (SIGSTOP) must go on to hear it. */
export function askToEnd(tree: Tree): void {
  send(-tree.leader, "SIGTERM");
  send(-tree.leader, "SIGCONT");
}

/** Sends SIGKILL until nothing is left; resolves then, and not before. */
export async function killTree(tree: Tree, clock: Clock): Promise<void> {
  const startMs = clock.monotonicMs();
  if (process.platform !== "linux") send(-tree.leader, "SIGKILL"); // Nothing is found there, but the group is known.
  // Two empty looks: what was made during the first is not in its list, and its parent may have ended meanwhile.
  for (let emptyLooks = 0; emptyLooks < 2; ) {
    const left = membersOf(tree);
    emptyLooks = left.length === 0 ? emptyLooks + 1 : 0;
    if (left.length === 0) continue;
    // The group in one call first: it cannot fork between two of our looks. Its leader's pid is not reused meanwhile.
    if (left.some((entry) => entry.group === tree.leader)) send(-tree.leader, "SIGKILL");
    for (const entry of left) send(entry.pid, "SIGKILL");
    const isStuck = clock.monotonicMs() - startMs > STUCK_AFTER_MS;
    await sleep(clock, isStuck ? STUCK_POLL_MS : POLL_MS);
  }
  reapOrphans();
}

/** @returns what lives of it. */
export function membersOf(tree: Tree): readonly ProcessEntry[] {
  const all = processTable().filter((entry) => !entry.isZombie && entry.pid > 1 && entry.pid !== process.pid);
  const spared = new Map<number, boolean>();
  const isSpared = (entry: ProcessEntry): boolean => {
    const known = spared.get(entry.pid) ?? tree.spares(entry);
    spared.set(entry.pid, known);
    return known;
  };
  const found = new Map<number, ProcessEntry>();
  for (const entry of all) if (isRoot(tree, entry) && !isSpared(entry)) found.set(entry.pid, entry);
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const entry of all) {
      if (found.has(entry.parent) && !found.has(entry.pid) && !isSpared(entry)) found.set(entry.pid, entry);
    }
  }
  return [...found.values()];
}

function isRoot(tree: Tree, entry: ProcessEntry): boolean {
  const { leader, mark } = tree;
  if (entry.pid === leader || entry.group === leader || entry.session === leader) return true;
  const isOrphan = adoptsOrphans() && entry.parent === process.pid && !isOwn(entry.pid);
  const carried = variableOf(entry.pid, MARK);
  // Whatever cleared its environment goes with the first process that ends: better than staying for ever.
  return carried === undefined ? isOrphan : carried === mark;
}

function send(pid: number, signal: "SIGTERM" | "SIGCONT" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile, or is not ours to signal: the next look tells.
  }
}
