/**
 * What a node believes of the leases it holds from a hub on another machine.
 *
 * H1: a lease counts from the moment its request was sent, on this node's monotonic clock, never from its answer.
 * H2: it is used for SAFE_SHARE of its term; then the holder stops by itself, whatever it cannot hear.
 *     One that was held when this process came up is used for as long as the process before it noted (lease-notes.ts).
 *     Without a note it is not used before the hub confirms it: nobody knows since when it counts.
 * H3: what the hub refused once is over, however late an answer about it comes, and after a restart.
 */
import { describeFailure, type Logger, type TaskId } from "#base";
import { type Fence, sameFence } from "#queue";
import type { LeaseNotes, NotedLease } from "./lease-notes.ts";

/** The rest of the term is for clocks that run apart, and for the time that stopping takes. */
const SAFE_SHARE = 0.8;

type Held = NotedLease & { readonly taskId: TaskId };

export class HolderLeases {
  readonly #held = new Map<TaskId, Held>();
  readonly #notes: LeaseNotes;
  readonly #logger: Logger;
  #isNoted = true;
  /** Said once. */
  #isFailing = false;

  constructor(notes: LeaseNotes, logger: Logger) {
    this.#notes = notes;
    this.#logger = logger;
  }

  get size(): number {
    return this.#held.size;
  }

  list(): readonly { readonly taskId: TaskId; readonly fence: Fence }[] {
    return [...this.#held.values()].map(({ taskId, fence }) => ({ taskId, fence }));
  }

  grant(taskId: TaskId, fence: Fence, sentAtMs: number, termMs: number): void {
    this.#put({ taskId, fence, untilMs: sentAtMs + termMs * SAFE_SHARE });
  }

  /**
   * Held by the process before this one: named to the hub, and used until then as far as that one noted it.
   * @returns how many of them nobody noted
   */
  adopt(held: readonly { readonly taskId: TaskId; readonly fence: Fence }[]): number {
    if (held.length === 0) return 0;
    const read = this.#notes.read();
    if (!read.ok) this.#logger.warn("what this node holds waits for its hub", { why: describeFailure(read.error) });
    const noted = new Map((read.ok ? read.value : []).map((lease) => [lease.taskId, lease]));
    let unknown = 0;
    for (const { taskId, fence } of held) {
      const note = noted.get(taskId);
      const isKnown = note !== undefined && sameFence(note.fence, fence);
      if (!isKnown) unknown += 1;
      this.#put({ taskId, fence, untilMs: isKnown ? note.untilMs : Number.NEGATIVE_INFINITY });
    }
    return unknown;
  }

  /** The hub confirmed it. */
  renewed(taskId: TaskId, fence: Fence, sentAtMs: number, termMs: number): void {
    const held = this.#held.get(taskId);
    if (held === undefined || !sameFence(held.fence, fence)) return;
    this.grant(taskId, fence, Math.max(sentAtMs, held.untilMs - termMs * SAFE_SHARE), termMs);
  }

  /** The hub does not know it any more, or the work is over. */
  end(taskId: TaskId, fence: Fence): void {
    const held = this.#held.get(taskId);
    if (held === undefined || !sameFence(held.fence, fence)) return;
    this.#held.delete(taskId);
    this.#isNoted = false;
  }

  /**
   * Notes what has changed. Each costs a flush, so it is called now and then: what was granted since is not noted when
   * this process is killed, and waits for the hub then.
   */
  note(): void {
    if (this.#isNoted) return;
    const written = this.#notes.write([...this.#held.values()].filter(({ untilMs }) => Number.isFinite(untilMs)));
    this.#isNoted = written.ok;
    if (!written.ok && !this.#isFailing) {
      this.#logger.warn("leases could not be noted", { why: describeFailure(written.error) });
    }
    this.#isFailing = !written.ok;
  }

  /** @returns whether the holder may go on. */
  isLive(taskId: TaskId, fence: Fence, nowMs: number): boolean {
    const held = this.#held.get(taskId);
    return held !== undefined && sameFence(held.fence, fence) && nowMs < held.untilMs;
  }

  #put(held: Held): void {
    this.#held.set(held.taskId, held);
    this.#isNoted = false;
  }
}
