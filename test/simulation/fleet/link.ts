import { err, ok, type Result, retryable, type TaskId } from "#base";
import { directLink, type Position, type QueueLink } from "#fleet";
import { type Fence, sameFence } from "#queue";
import { shown } from "./checks.ts";
import type { FleetNode, HubProcess } from "./node.ts";
import type { Copy } from "./replica.ts";
import type { ProcessClock } from "./time.ts";

/** As src/fleet/http-link.ts has them. */
const CALL_MS = 10_000;
const MAX_WAIT_MS = 25_000;
/** What the rules of src/fleet/holder-leases.ts and hub-service.ts promise; said again here, to be held against them. */
const SAFE_SHARE = 0.8;
const GRACE_MS = 20_000;
/** Heartbeats come every five seconds, and some get lost. */
const GRACE_SLACK_MS = 15_000;

type Perform<T> = (hub: HubProcess, link: QueueLink) => Promise<Result<T>>;

type NodeLink = QueueLink & {
  /** What the replica asks for. */
  readonly copy: () => Promise<Result<Copy>>;
};

/** A node's way to its hub, with what the checks want to know of what passes. */
export function hubLink(node: FleetNode, clock: ProcessClock): NodeLink {
  const { network, checks, time } = node.surroundings;
  const arrive = async <T>(target: FleetNode, perform: Perform<T>): Promise<Result<T>> => {
    const { hub } = target;
    if (hub === undefined) {
      // Of two that know of a hub, the one with the greater epoch is right.
      const known = target.hubNode.database?.epoch ?? 0;
      if (target.isUp && known > (node.hubNode.database?.epoch ?? 0)) node.hubNode = target.hubNode;
      return err(retryable("unavailable", "that node is not the hub"));
    }
    try {
      return await perform(hub, directLink(hub.service, node.id));
    } catch (cause) {
      checks.bug(`the hub of epoch ${hub.database.epoch} failed: ${String(cause)}`);
      return err(retryable("internal", String(cause)));
    }
  };
  const call = <T>(perform: Perform<T>, deadlineMs = CALL_MS, mayRepeat = true): Promise<Result<T>> => {
    const target = node.hubNode;
    if (target === node) return arrive(target, perform);
    return network.call({ clock, way: node.way, deadlineMs, mayRepeat, perform: () => arrive(target, perform) });
  };
  const { leases } = node;
  const unknown = new UnknownLeases();
  return {
    commands: (commands) => call((_hub, link) => link.commands(commands)),
    claim: async (claim) => {
      const sentAtMs = clock.bootMs(clock.monotonicMs());
      const answer = await call((_hub, link) => link.claim(claim));
      if (!answer.ok) return answer;
      for (const { row, fence } of answer.value.tasks) leases.confirm(row.id, fence, sentAtMs, answer.value);
      return answer;
    },
    heartbeat: async (heartbeat) => {
      const [sentAtMs, sentMs] = [clock.bootMs(clock.monotonicMs()), time.nowMs];
      let by: HubProcess | undefined;
      const answer = await call(async (hub, link) => {
        const said = await link.heartbeat(heartbeat);
        if (time.nowMs - sentMs < 1_000) unknown.look(node, hub, heartbeat.held);
        by = hub;
        return said;
      });
      if (!answer.ok) return answer;
      if (by !== undefined) unknown.heard(by, sentMs);
      for (const { taskId, fence, ok: isOk } of answer.value.held) {
        if (isOk) leases.confirm(taskId, fence, sentAtMs, answer.value);
      }
      return answer;
    },
    wait: (wait) => call((_hub, link) => link.wait(wait), MAX_WAIT_MS + CALL_MS, false),
    copy: () =>
      call(async ({ database }) => ok({ position: database.position(), snapshot: database.store.snapshot() })),
  };
}

/** H1 and H2 as the outside sees them: which request of this machine the hub last confirmed a lease with. */
export class ConfirmedLeases {
  readonly #leases = new Map<string, { readonly untilMs: number; readonly epoch: number }>();

  confirm(taskId: TaskId, fence: Fence, sentAtMs: number, answer: Position & { readonly termMs: number }): void {
    const key = `${taskId} ${shown(fence)}`;
    const untilMs = Math.max(this.#leases.get(key)?.untilMs ?? 0, sentAtMs + SAFE_SHARE * answer.termMs);
    this.#leases.set(key, { untilMs, epoch: answer.epoch });
  }

  /** @returns whether nobody confirmed it for the time since then */
  isSpent(taskId: TaskId, fence: Fence, nowMs: number): boolean {
    const lease = this.#leases.get(`${taskId} ${shown(fence)}`);
    return lease === undefined || nowMs > lease.untilMs;
  }

  /** Which hub confirmed it last: the one whose word it runs on. */
  epochOf(taskId: TaskId, fence: Fence): number {
    return this.#leases.get(`${taskId} ${shown(fence)}`)?.epoch ?? fence.epoch;
  }
}

/** U3, at heartbeats that did not stay long on their way: what is not named, and could have been for long. */
class UnknownLeases {
  #sinceMs = new Map<string, number>();
  #heardFrom: HubProcess | undefined;
  #heardMs = 0;

  /** The node got an answer to what it had sent then. */
  heard(hub: HubProcess, sentMs: number): void {
    this.#heardFrom = hub;
    this.#heardMs = sentMs;
  }

  look(node: FleetNode, hub: HubProcess, held: Parameters<QueueLink["heartbeat"]>[0]["held"]): void {
    const { checks, time } = node.surroundings;
    const before = this.#sinceMs;
    this.#sinceMs = new Map();
    // Nothing can be taken back then, nor from a node that hears nothing: that one's leases run out.
    if (hub.database.isUnavailable || time.nowMs - hub.database.unavailableMs < GRACE_SLACK_MS) return;
    if (this.#heardFrom !== hub) return;
    const heardMs = hub.clock.monotonicMs() - (time.nowMs - this.#heardMs);
    for (const { taskId, fence, expiresAtMs, termMs } of hub.queue.leases.heldBy(node.id)) {
      const isNamed = held.some((one) => one.taskId === taskId && sameFence(one.fence, fence));
      if (isNamed || heardMs - (expiresAtMs - termMs) < GRACE_MS) continue;
      const key = `${taskId} ${shown(fence)} ${hub.database.epoch}`;
      const sinceMs = before.get(key) ?? time.nowMs;
      this.#sinceMs.set(key, sinceMs);
      const isLate = time.nowMs - sinceMs > GRACE_SLACK_MS;
      checks.check(!isLate, "taken back", () => `${node.name} does not know of ${key}, and it stays with it`);
    }
  }
}
