import { type NodeId, ok, present, type Result, type TaskId } from "#base";
import { chooseLane, hasRoom } from "../fairness.ts";
import { admitNext, type CommandContext, keyOf, move, record } from "../ledger.ts";
import type { QueueTransaction } from "../ports.ts";
import { type Fence, LANES, sameFence, type TaskRow } from "../task.ts";
import { admitted, started } from "../transition.ts";
import { fenceOf } from "./finish.ts";
import type { Keeping } from "./once.ts";

export type ClaimRequest = {
  readonly holder: NodeId;
  readonly limit: number;
  /** Can the claimer carry out a task with these requirements? Gets each distinct text once. */
  readonly accepts: (requirements: string) => boolean;
  /**
   * Whether another holder is the better one for these requirements. What became ready less than {@link DEFER_MS} ago is
   * left for it, and no longer: nothing starves for a preference.
   */
  readonly defers?: (requirements: string) => boolean;
  /** As `defers`, for one task: another holder has something that was left for it. */
  readonly leaves?: (task: { readonly id: TaskId; readonly requirements: string; readonly body: string }) => boolean;
  /** Tasks that the claimer takes although it leaves others of their kind: what was left for them lies there. */
  readonly homed?: ReadonlySet<TaskId>;
};

/** A better holder asks within a second of being told; a few more, and it does not come. */
export const DEFER_MS = 4_000;

export type ClaimedTask = {
  readonly row: TaskRow;
  readonly fence: Fence;
  /** Which attempt this is: 1, 2, 3 … */
  readonly attempt: number;
  /** The submission as JSON text. */
  readonly body: string;
};

export type ClaimReceipt = {
  readonly tasks: readonly ClaimedTask[];
  /** The claim stopped at its own limit of candidates, not because nothing was left: claim again. */
  readonly more: boolean;
  /** A key with a rate limit was served; its next token may be due before anything else is. */
  readonly rateLimited: boolean;
  /** Ready tasks were left for a better holder: ask again after {@link DEFER_MS}. */
  readonly deferred?: boolean;
  /** Of a claim that was repeated: tasks that it had been given and that its holder does not hold any more. */
  readonly over?: number;
};

/** Candidates that one claim may look at beyond those it takes: a policy that was tightened leaves some to hold back. */
const EXTRA_CANDIDATES = 64;

const nothing: ClaimReceipt = { tasks: [], more: false, rateLimited: false };

/** Gives up to `limit` tasks to the holder, each under a fence of its own. */
export function claim(tx: QueueTransaction, context: CommandContext, request: ClaimRequest): Result<ClaimReceipt> {
  if (tx.paused()) return ok(nothing); // Q13
  const accepted = [...tx.classes()].filter(([, text]) => request.accepts(text));
  const { defers } = request;
  const left =
    defers === undefined ? [] : accepted.filter(([, text]) => defers(text)).flatMap(([id]) => leave(tx, id, context));
  const isAtHome = (request.homed?.size ?? 0) > 0;
  const classIds = accepted.map(([id]) => id).filter((id) => isAtHome || !left.includes(id));
  let deferred = left.length > 0;
  if (classIds.length === 0) return ok({ ...nothing, deferred });

  const lanes = LANES.map((_lane, lane) => new LaneCursor(tx, lane, classIds, request.limit));
  const taken: { row: TaskRow; fence: Fence }[] = [];
  let fence: Fence | undefined;
  let more = true;
  let rateLimited = false;
  for (let looked = 0; taken.length < request.limit && looked < request.limit + EXTRA_CANDIDATES; looked += 1) {
    const heads = lanes.map((lane) => lane.peek());
    more = heads.some((head) => head !== undefined);
    if (!more) break;
    fence ??= tx.nextFence();
    const lane = present(chooseLane(heads, context.nowMs, fence.n), "a lane with a task is chosen");
    const candidate = present(lanes[lane]?.take(), "the chosen lane has a task");
    if (isLeft(tx, context, request, candidate, left)) {
      deferred = true;
      lanes[lane]?.pass(candidate);
      continue;
    }
    const key = keyOf(tx, context, candidate.key);
    if (!hasRoom(key)) {
      // The policy was tightened after this task was admitted.
      move(tx, candidate, admitted(candidate, false));
      tx.putKey({ ...key, admitted: Math.max(0, key.admitted - 1) });
      continue;
    }
    const row = started(candidate, fence, request.holder, context.nowMs);
    move(tx, candidate, row);
    tx.putKey({ ...key, admitted: Math.max(0, key.admitted - 1), running: key.running + 1 });
    const laneRow = tx.lane(row.lane);
    tx.putLane({ ...laneRow, virtualTime: Math.max(laneRow.virtualTime, row.tag) });
    record(tx, context, "task.started", row, { attempt: row.attempts + 1, node: request.holder, fence });
    taken.push({ row, fence });
    fence = undefined;
    if (key.policy.ratePerSecond !== null) {
      rateLimited = true;
      admitNext(tx, context, key.key); // one fewer waits to be claimed: the next may come, now or at its token
    }
  }
  return ok({ tasks: withBodies(tx, taken), more: more || rateLimited, rateLimited, deferred });
}

function withBodies(tx: QueueTransaction, taken: readonly Pick<ClaimedTask, "row" | "fence">[]): ClaimedTask[] {
  const bodies = tx.bodies(taken.map(({ row }) => row.id));
  return taken.map(({ row, fence }) => ({
    row,
    fence,
    attempt: row.attempts + 1,
    body: present(bodies.get(row.id), "Q8: a task has its submission"),
  }));
}

/** Whether one task waits for a better holder. */
function isLeft(
  tx: QueueTransaction,
  context: CommandContext,
  { leaves, homed }: ClaimRequest,
  row: TaskRow,
  left: readonly number[],
): boolean {
  if (left.includes(row.classId)) return homed?.has(row.id) !== true;
  if (leaves === undefined || !mayWait(row, context)) return false;
  const requirements = tx.classes().get(row.classId) ?? "";
  const body = tx.bodies([row.id]).get(row.id) ?? "";
  return leaves({ id: row.id, requirements, body });
}

function mayWait({ readyAtMs }: TaskRow, { nowMs }: CommandContext): boolean {
  const waitedMs = readyAtMs === null ? DEFER_MS : nowMs - readyAtMs;
  // Negative after the wall clock was set back: it is not known how long it has waited.
  return waitedMs >= 0 && waitedMs < DEFER_MS;
}

/** @returns the class when it has tasks and all of them may still wait for a better holder. */
function leave(tx: QueueTransaction, classId: number, context: CommandContext): readonly number[] {
  let isReady = false;
  for (let lane = 0; lane < LANES.length; lane += 1) {
    const [head] = tx.lane(lane).counts.ready === 0 ? [] : tx.heads(lane, [classId], 1);
    if (head === undefined) continue;
    isReady = true;
    if (!mayWait(head, context)) return [];
  }
  return isReady ? [classId] : [];
}

/** Reads the heads of one lane in chunks, and none at all of a lane that the counters call empty. */
class LaneCursor {
  #loaded: readonly TaskRow[] = [];
  #next = 0;
  /** Taken from here and left in the queue: they are its heads still. */
  readonly #passed = new Set<TaskId>();
  #exhausted: boolean;
  readonly #chunk: number;
  readonly #tx: QueueTransaction;
  readonly #lane: number;
  readonly #classIds: readonly number[];

  constructor(tx: QueueTransaction, lane: number, classIds: readonly number[], limit: number) {
    this.#tx = tx;
    this.#lane = lane;
    this.#classIds = classIds;
    this.#exhausted = tx.lane(lane).counts.ready === 0;
    this.#chunk = Math.max(1, Math.min(limit, 64));
  }

  peek(): TaskRow | undefined {
    if (this.#next >= this.#loaded.length && !this.#exhausted) {
      // Those taken before are no longer ready, so the heads are the next ones, but for those that were left.
      const limit = this.#chunk + this.#passed.size;
      const heads = this.#tx.heads(this.#lane, this.#classIds, limit);
      this.#loaded = heads.filter(({ id }) => !this.#passed.has(id));
      this.#next = 0;
      this.#exhausted = heads.length < limit;
    }
    return this.#loaded[this.#next];
  }

  take(): TaskRow | undefined {
    const row = this.peek();
    this.#next += 1;
    return row;
  }

  /** Leaves what was taken last where it is. */
  pass(row: TaskRow): void {
    this.#passed.add(row.id);
  }
}

type KeptClaim = {
  readonly claimed: readonly (readonly [TaskId, Fence])[];
  readonly rest: Pick<ClaimReceipt, "more" | "rateLimited" | "deferred">;
};

/**
 * Of a claim only the tasks' ids and fences are kept: what they carry is in the store as long as they run. A repetition
 * gives those that still run under the same fence, and says how many do not.
 */
export const keepingClaims: Keeping<ClaimReceipt> = {
  // A fleet asks far more often than there is work, and each result kept would be a commit that every node reads.
  isEffect: (claimed) => !claimed.ok || claimed.value.tasks.length > 0,
  kept: ({ tasks, ...rest }): KeptClaim => ({ claimed: tasks.map(({ row, fence }) => [row.id, fence]), rest }),
  recalled: (tx, kept) => {
    // `as`: written by `kept`, or by a build that kept the whole receipt.
    const { claimed, rest, tasks, ...whole } = kept as Partial<KeptClaim & ClaimReceipt>;
    const given = claimed ?? tasks?.map(({ row, fence }) => [row.id, fence] as const) ?? [];
    const held = given.flatMap(([id, fence]) => {
      const row = tx.task(id);
      return row?.state === "running" && sameFence(fenceOf(row), fence) ? [{ row, fence }] : [];
    });
    const over = given.length - held.length;
    return { ...nothing, ...whole, ...rest, tasks: withBodies(tx, held), ...(over === 0 ? {} : { over }) };
  },
};
