/**
 * Where tasks would find again what was left for them: the checkpoint and the folder of an earlier attempt, or the folder
 * that a task names and that others were carried out in. Pure, but for what it remembers; a hub that starts anew knows none.
 */
import type { NodeId, TaskId } from "#base";

/** `lossSeconds`: what it costs to begin without it, as far as that is known. */
export type Home = { readonly node: NodeId; readonly what: string; readonly lossSeconds: number };

/**
 * A named folder that is elsewhere is missing, or has to be brought; nobody measures that. So many seconds outweigh what
 * forecasts differ by, and not a model that has to be loaded from a slow disk.
 */
export const FOLDER_SECONDS = 30;
/** An attempt leaves at least a folder that has been prepared. */
export const MIN_ATTEMPT_SECONDS = 5;
/** Of more the checkpoint is worth no more waiting: what went wrong there may go wrong there again. */
export const MAX_ATTEMPT_SECONDS = 600;
/** Tasks between two attempts, and folders; the oldest are forgotten first, which costs a preference. */
const MAX_TASKS = 50_000;
const MAX_FOLDERS = 10_000;

type Begun = { readonly node: NodeId; readonly sinceMs: number; workedMs: number | undefined };

export class Homes {
  readonly #tasks = new Map<TaskId, Begun>();
  readonly #waiting = new Map<NodeId, Set<TaskId>>();
  readonly #folders = new Map<string, NodeId>();

  get isEmpty(): boolean {
    return this.#tasks.size === 0 && this.#folders.size === 0;
  }

  /** An attempt begins on a node. */
  began(task: TaskId, node: NodeId, nowMs: number): void {
    const before = this.#tasks.get(task);
    this.forget(task);
    // What an earlier attempt there came to is still there.
    const workedMs = before?.node === node ? (before.workedMs ?? 0) : 0;
    this.#tasks.set(task, { node, sinceMs: nowMs - workedMs, workedMs: undefined });
    trim(this.#tasks, MAX_TASKS);
  }

  /** It has ended, and another one is to follow. */
  waits(task: TaskId, nowMs: number): void {
    const begun = this.#tasks.get(task);
    if (begun === undefined) return;
    begun.workedMs = Math.max(0, nowMs - begun.sinceMs);
    const waiting = this.#waiting.get(begun.node) ?? new Set();
    waiting.add(task);
    this.#waiting.set(begun.node, waiting);
  }

  /** A node was given a task that names a folder. */
  used(folder: string, node: NodeId): void {
    this.#folders.delete(folder);
    this.#folders.set(folder, node);
    trim(this.#folders, MAX_FOLDERS);
  }

  /** The task has ended. */
  forget(task: TaskId): void {
    const begun = this.#tasks.get(task);
    if (begun === undefined) return;
    this.#tasks.delete(task);
    this.#waiting.get(begun.node)?.delete(task);
  }

  drop(node: NodeId): void {
    for (const [task, begun] of this.#tasks) if (begun.node === node) this.#tasks.delete(task);
    for (const [folder, holder] of this.#folders) if (holder === node) this.#folders.delete(folder);
    this.#waiting.delete(node);
  }

  /** Tasks whose next attempt would go on with what lies on this node. */
  waitingFor(node: NodeId): ReadonlySet<TaskId> {
    return this.#waiting.get(node) ?? NONE;
  }

  /** @param folder that the task names, if it does. @returns undefined when nothing is known to be left for it. */
  of(task: TaskId, folder: string | undefined): Home | undefined {
    const begun = this.#tasks.get(task);
    const holder = folder === undefined ? undefined : this.#folders.get(folder);
    if (begun?.workedMs !== undefined) {
      const seconds = Math.min(MAX_ATTEMPT_SECONDS, Math.max(MIN_ATTEMPT_SECONDS, begun.workedMs / 1_000));
      const lossSeconds = seconds + (holder === begun.node ? FOLDER_SECONDS : 0);
      return { node: begun.node, what: "what its last attempt left", lossSeconds };
    }
    return holder === undefined
      ? undefined
      : { node: holder, what: `the folder ${folder}`, lossSeconds: FOLDER_SECONDS };
  }
}

const NONE: ReadonlySet<TaskId> = new Set();

function trim<K>(map: Map<K, unknown>, limit: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= limit) return;
    map.delete(oldest);
  }
}
