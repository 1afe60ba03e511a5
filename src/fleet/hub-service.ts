/**
 * What a hub does for the other nodes: their commands become calls of its own queue, in the order in which they came.
 *
 * U1: a command takes effect once (Q15), whatever is lost, repeated or late on the way.
 * U2: a report counts only from the node that holds the lease.
 * U3: a lease that its node does not name in a heartbeat that it sent long enough after the grant for the answer to have
 *     arrived is taken back: its node never heard of it. When it was sent is told by the stamp of an answer that it had
 *     before, since a heartbeat may be late itself.
 * U4: a node whose release does not fit the fleet's is given nothing; what it holds it may renew, end and report.
 */
import {
  type Clock,
  type CommandId,
  err,
  type Failure,
  type JsonObject,
  type JsonValue,
  type Logger,
  type NodeId,
  ok,
  type Result,
  refused,
  type TaskId,
  type Timer,
} from "#base";
import {
  type AttemptOutcome,
  type ClaimedTask,
  DEFER_MS,
  type Fence,
  type Queue,
  type QueueService,
  sameFence,
  type TaskRow,
} from "#queue";
import type { Order } from "./orders.ts";
import { type PartKey, textOf } from "./parts/part.ts";
import { type GoalKeeper, performOn } from "./perform-command.ts";
import { hasReached, type Position } from "./position.ts";
import type { ReplicaWatch } from "./replica-watch.ts";
import {
  CLAIM_USE_MS,
  type ClaimAnswer,
  type ClaimCall,
  type CommandResult,
  type CommandsAnswer,
  type FleetCommand,
  type HeartbeatAnswer,
  type HeartbeatCall,
  type StopOrder,
  type WaitAnswer,
  type WaitCall,
} from "./wire.ts";

export type HubServiceOptions = {
  readonly queue: QueueService;
  /** What carries out the commands of nodes: that queue, or one that answers when replicas have what changed. */
  readonly commands?: Queue;
  /** Keeps goals. */
  readonly goals?: GoalKeeper;
  /** How far the nodes are; where commands are answered when they have them. */
  readonly replicas?: ReplicaWatch;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Random for each process: tells its stamps from those of the one before. */
  readonly session: string;
  readonly position: () => Position;
  /** How long a node may be silent. */
  readonly termOf: (node: NodeId) => number;
  /** Whether a node is given new work, by what people decided and by how it fared. */
  readonly takesWork: (node: NodeId) => boolean;
  /** Why a node's release and the fleet's do not fit; undefined when they do. */
  readonly unfit: (node: NodeId) => Failure | undefined;
  /** A node was given these tasks. */
  readonly gave: (node: NodeId, tasks: readonly ClaimedTask[]) => void;
  /** An attempt of a node ended, and its report counted. */
  readonly ended: (node: NodeId, outcome: AttemptOutcome) => void;
  /** A node was heard from, with what it says of itself. */
  readonly heard: (node: NodeId, announced: JsonObject) => void;
  /** What people want of a node. */
  readonly orders: (node: NodeId, heard: readonly string[]) => readonly Order[];
};

/** Longer than a node uses an answer to a claim, with clocks that run apart. */
const CLAIM_GRACE_MS = CLAIM_USE_MS + 5_000;
/** Work that nobody took is announced again this often. */
const REMIND_MS = 5_000;
/** Of one node; older ones are told with its heartbeats. */
const MAX_UNTOLD = 1_000;
/** Of one node, which sends no more parts at once. */
const MAX_READS = 16;

/** Nodes that are told of new work at once; the next ones are told while it is still there: one task needs one node. */
const CALLED_AT_ONCE = 8;
const CALL_NEXT_MS = 25;
/**
 * News of commits alone are gathered: each costs an answer, another request and a sync of a replica for every node. So
 * many milliseconds for each node that waits hold that below a tenth of a processor, whatever the fleet commits.
 */
const TELL_MS_PER_NODE = 5;
const TELL_MIN_MS = 50;
/** What is read on another node is never older than this for the hub's own part. */
const TELL_MAX_MS = 500;
/** While a caller waits until nodes have a commit, they are told of it at once; a few commits gather even so. */
const TELL_AWAITED_MS = 4;

type Waiting = { readonly node: NodeId; readonly call: WaitCall; readonly resolve: () => void };

export class HubService {
  readonly #options: HubServiceOptions;
  readonly #waiting = new Set<Waiting>();
  /** Attempts to be ended that their nodes were not told of yet. */
  readonly #untold = new Map<NodeId, StopOrder[]>();
  readonly #stops = new Map<TaskId, Fence>();
  /** Parts that are read here and lie on nodes that were not told of it yet; readers ask again, so a lost answer is none. */
  readonly #reads = new Map<NodeId, readonly PartKey[]>();
  readonly #ends: (() => void)[] = [];
  #ready = 1;
  #remindedAtMs = 0;
  /** Whether something was ready when this was looked at last. */
  #hasWork = true;
  #isLooking = false;
  #lookAgain = false;
  #isNew = false;
  #calling: Timer | undefined;
  #telling: Timer | undefined;
  #isTellingSoon = false;
  #deferring: Timer | undefined;

  constructor(options: HubServiceOptions) {
    this.#options = options;
  }

  /** @param running as the queue found them at its start: those that were cancelled are stopped at their nodes */
  start(running: readonly TaskRow[]): void {
    const { queue } = this.#options;
    for (const row of running) {
      if (row.cancelRequested) this.#stops.set(row.id, { epoch: row.fenceEpoch, n: row.fenceN });
    }
    this.#ends.push(
      queue.onStop((id, fence) => this.#stop(id, fence)),
      queue.onReady(() => void this.#remind()),
      queue.store.subscribe((events) => {
        const isNew = events.some(({ kind }) => kind !== "task.progress" && kind !== "task.started");
        if (isNew || this.#hasWork) void this.#lookForWork(isNew);
        this.#tellLater();
      }),
    );
    const { replicas } = this.#options;
    if (replicas !== undefined) this.#ends.push(replicas.onAwaited(() => this.#tellSoon()));
  }

  /** Answers everybody who waits. */
  stop(): void {
    for (const end of this.#ends.splice(0)) end();
    this.#calling?.cancel();
    this.#telling?.cancel();
    this.#deferring?.cancel();
    for (const waiting of this.#waiting) waiting.resolve();
  }

  async commands(node: NodeId, commands: readonly FleetCommand[]): Promise<CommandsAnswer> {
    const results = await Promise.all(commands.map((command) => this.#perform(node, command)));
    return { ...this.#options.position(), results };
  }

  async claim(node: NodeId, call: ClaimCall): Promise<Result<ClaimAnswer>> {
    const { queue, position, termOf, takesWork, gave, unfit } = this.#options;
    const obstacle = unfit(node);
    if (obstacle !== undefined) return err(obstacle);
    const termMs = termOf(node);
    if (!takesWork(node)) return ok({ ...position(), termMs, tasks: [], more: false, rateLimited: false });
    const accepted = new Set(call.accepts);
    const accepts = (requirements: string): boolean => accepted.has(requirements);
    const claimed = await queue.claim({ holder: node, limit: call.limit, accepts }, { id: call.id, node });
    if (!claimed.ok) return claimed;
    const { tasks, more, rateLimited, deferred, over } = claimed.value;
    if (tasks.length > 0) gave(node, tasks);
    if (deferred === true) this.#deferring ??= this.#options.clock.after(DEFER_MS, () => this.#deferredLongEnough());
    return ok({ ...position(), termMs, tasks: [...tasks], more, rateLimited, ...(over === undefined ? {} : { over }) });
  }

  heartbeat(node: NodeId, { held, heard: heardOrders, announced, stamp = "" }: HeartbeatCall): HeartbeatAnswer {
    const { queue, clock, session, position, termOf, heard, orders, unfit, replicas } = this.#options;
    heard(node, announced);
    replicas?.heard(node);
    const obstacle = unfit(node);
    const [of, sentAfterMs] = stamp.split(" ");
    if (of === session) this.#takeBack(node, held, Number(sentAfterMs));
    return {
      ...position(),
      stamp: `${session} ${clock.monotonicMs()}`,
      termMs: termOf(node),
      orders: [...orders(node, heardOrders)],
      ...(obstacle === undefined ? {} : { unfit: { message: obstacle.message, remedy: obstacle.remedy } }),
      held: held.map(({ taskId, fence }) => {
        const isOk = queue.leases.holderOf(taskId, fence) === node && queue.renew(taskId, fence);
        return { taskId, fence, ok: isOk, stop: isOk && this.#isStopped(taskId, fence) };
      }),
    };
  }

  async wait(node: NodeId, call: WaitCall): Promise<WaitAnswer> {
    const { seq, seqEpoch } = call;
    this.#options.replicas?.heard(node, seqEpoch === undefined ? undefined : { epoch: seqEpoch, seq });
    if (this.#news(node, call)) return this.#waitAnswer(node, call);
    await new Promise<void>((resolve) => {
      const end = (): void => {
        this.#waiting.delete(waiting);
        timer.cancel();
        resolve();
      };
      const waiting: Waiting = { node, call, resolve: end };
      const timer = this.#options.clock.after(call.waitMs, end);
      this.#waiting.add(waiting);
    });
    return this.#waitAnswer(node, call);
  }

  /** Somebody reads a part that lies on this node: it is told with its next answer, at once when it waits. */
  tellOfRead(node: NodeId, key: PartKey): void {
    const others = (this.#reads.get(node) ?? []).filter((other) => textOf(other) !== textOf(key));
    this.#reads.set(node, [...others, key].slice(-MAX_READS));
    for (const waiting of this.#waiting) if (waiting.node === node) waiting.resolve();
  }

  #news(node: NodeId, call: WaitCall): boolean {
    const at = this.#options.position();
    const isBehind = !hasReached({ epoch: call.seqEpoch ?? at.epoch, seq: call.seq }, at);
    return isBehind || this.#isCalled(call) || this.#untold.has(node) || this.#reads.has(node);
  }

  #isCalled({ readySeen }: WaitCall): boolean {
    return this.#hasWork && this.#ready !== readySeen;
  }

  #waitAnswer(node: NodeId, call: WaitCall): WaitAnswer {
    const stops = this.#untold.get(node) ?? [];
    const reads = this.#reads.get(node) ?? [];
    this.#untold.delete(node);
    this.#reads.delete(node);
    // Who is told of a commit is not sent after work that others have taken meanwhile.
    const ready = this.#hasWork ? this.#ready : call.readySeen;
    return { ...this.#options.position(), ready, stops, reads: [...reads] };
  }

  /** Answers everybody for whom there is news, after a pause in which more of them gather. */
  #tellLater(): void {
    if (this.#waiting.size === 0) return;
    const delayMs = Math.min(TELL_MAX_MS, Math.max(TELL_MIN_MS, this.#waiting.size * TELL_MS_PER_NODE));
    this.#telling ??= this.#options.clock.after(delayMs, () => this.#tell());
  }

  #tellSoon(): void {
    if (this.#isTellingSoon) return;
    this.#isTellingSoon = true;
    this.#telling?.cancel();
    this.#telling = this.#options.clock.after(TELL_AWAITED_MS, () => this.#tell());
  }

  #tell(): void {
    this.#telling = undefined;
    this.#isTellingSoon = false;
    for (const { node, call, resolve } of this.#waiting) if (this.#news(node, call)) resolve();
  }

  /** What was left for a better node and is still there is for everybody now. */
  #deferredLongEnough(): void {
    this.#deferring = undefined;
    void this.#lookForWork(true);
  }

  /**
   * Once, however many commits ask for it meanwhile.
   * @param isNew whether there may be more than before; otherwise only whether there is any left
   */
  async #lookForWork(isNew: boolean): Promise<void> {
    this.#lookAgain = true;
    this.#isNew ||= isNew;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#lookAgain) {
        this.#lookAgain = false;
        this.#hasWork = await this.#isWorkReady();
      }
    } finally {
      this.#isLooking = false;
    }
    const wasNew = this.#isNew;
    this.#isNew = false;
    if (!this.#hasWork || !wasNew) return;
    this.#ready += 1;
    this.#callNext();
  }

  /** Those that have waited longest are called first; who cannot take the work, or has no room, waits again. */
  #callNext(): void {
    if (this.#calling !== undefined) return;
    const called = [...this.#waiting].filter(({ call }) => this.#isCalled(call));
    for (const { resolve } of called.slice(0, CALLED_AT_ONCE)) resolve();
    if (called.length <= CALLED_AT_ONCE) return;
    this.#calling = this.#options.clock.after(CALL_NEXT_MS, () => {
      void this.#isWorkReady().then((hasWork) => {
        this.#calling = undefined;
        this.#hasWork = hasWork;
        if (hasWork) this.#callNext();
      });
    });
  }

  async #isWorkReady(): Promise<boolean> {
    const lanes = await this.#options.queue.store.lanes();
    // Not known: whoever asks finds out.
    return !lanes.ok || lanes.value.some(({ counts }) => counts.ready > 0);
  }

  /** The queue looks for work once a second at least; nodes are told again only while there is some, and seldom. */
  async #remind(): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#waiting.size === 0 || nowMs - this.#remindedAtMs < REMIND_MS) return;
    this.#remindedAtMs = nowMs;
    await this.#lookForWork(true);
  }

  #stop(id: TaskId, fence: Fence): void {
    const holder = this.#options.queue.leases.holderOf(id, fence);
    if (holder === undefined) return;
    this.#stops.set(id, fence);
    const untold = this.#untold.get(holder) ?? [];
    this.#untold.set(holder, [...untold, { taskId: id, fence }].slice(-MAX_UNTOLD));
    for (const { node, resolve } of this.#waiting) if (node === holder) resolve();
  }

  #isStopped(id: TaskId, fence: Fence): boolean {
    const stop = this.#stops.get(id);
    return stop !== undefined && sameFence(stop, fence);
  }

  #takeBack(node: NodeId, held: HeartbeatCall["held"], sentAfterMs: number): void {
    const { queue, logger } = this.#options;
    const named = new Map(held.map(({ taskId, fence }) => [taskId, fence]));
    for (const { taskId, fence, expiresAtMs, termMs } of queue.leases.heldBy(node)) {
      const name = named.get(taskId);
      const isKnown = name !== undefined && sameFence(name, fence);
      // Not "less than": a stamp that is no number takes nothing back.
      if (isKnown || !(sentAfterMs - (expiresAtMs - termMs) >= CLAIM_GRACE_MS)) continue;
      logger.warn("a node does not know of a task that it was given", { task: taskId, node });
      void queue.release(taskId, fence, "its node never heard of it");
    }
  }

  async #perform(node: NodeId, command: FleetCommand): Promise<CommandResult> {
    const { id } = command;
    const isTheirs = command.kind !== "finish" && command.kind !== "release" && command.kind !== "progress";
    if (!isTheirs) {
      const holder = this.#options.queue.leases.holderOf(command.args.taskId, command.args.fence);
      if (holder !== undefined && holder !== node) return refusal(id, command.args.taskId);
      this.#forgetStop(command);
    }
    const { queue, commands = queue, goals } = this.#options;
    const result = await performOn(commands, command, { id, node }, goals).catch((cause: unknown) => {
      // A command that breaks an invariant would be sent for ever, and everything behind it would wait.
      this.#options.logger.error("a command of a node failed by a bug", { node, command: id, cause: String(cause) });
      return err(refused("internal", `${command.kind} ${id}: ${String(cause)}`));
    });
    if (command.kind === "finish" && result.ok && isApplied(result.value)) {
      this.#options.ended(node, command.args.report.outcome);
    }
    // `as`: what the queue returns is JSON throughout.
    return result.ok ? { id, ok: true, value: result.value as JsonValue } : { id, ok: false, failure: result.error };
  }

  #forgetStop(command: FleetCommand): void {
    if (command.kind !== "finish" && command.kind !== "release") return;
    if (this.#isStopped(command.args.taskId, command.args.fence)) this.#stops.delete(command.args.taskId);
  }
}

/** A repetition is answered as the first time; what it says twice counts twice, and that seldom. */
function isApplied(receipt: unknown): boolean {
  return typeof receipt === "object" && receipt !== null && "kind" in receipt && receipt.kind === "applied";
}

function refusal(id: CommandId, taskId: TaskId): CommandResult {
  return { id, ok: false, failure: refused("stale_fence", `task ${taskId} is held by another node`) };
}

/** @returns a link to a hub in this very process: for tests and simulations, and for measuring the rest. */
export function directLink(hub: HubService, node: NodeId) {
  return {
    commands: async (commands: readonly FleetCommand[]) => ok(await hub.commands(node, commands)),
    claim: (call: ClaimCall) => hub.claim(node, call),
    heartbeat: async (call: HeartbeatCall) => ok(hub.heartbeat(node, call)),
    wait: async (call: WaitCall) => ok(await hub.wait(node, call)),
  };
}
