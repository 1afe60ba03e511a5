/** Goals on a node that follows a hub: read from its copy; what changes them is kept in its outbox and sent to the hub. */
import { type Clock, err, type GoalId, type IdFactory, type JsonObject, ok, type Result, sleep } from "#base";
import { FIRST_FEATURE_LEVEL, type FleetQueue, type NodeDirectory, notSpoken, speaks } from "#fleet";
import {
  type Goal,
  type GoalBudget,
  type GoalOrder,
  type GoalReceipt,
  type GoalStore,
  type Goals,
  goalCommands,
  orderText,
  otherOrder,
} from "#goals";

/** A caller that was answered by the hub reads its own write; no longer than this is waited for the copy. */
const SEEN_MS = 1_500;
const LOOK_MS = 25;

export type RemoteGoalsParts = {
  readonly store: GoalStore;
  readonly queue: Pick<FleetQueue, "resend">;
  readonly nodes: Pick<NodeDirectory, "level">;
  readonly ids: Pick<IdFactory, "goal" | "command">;
  readonly clock: Clock;
};

export class RemoteGoals implements Goals {
  readonly store: GoalStore;
  readonly #parts: RemoteGoalsParts;

  constructor(parts: RemoteGoalsParts) {
    this.store = parts.store;
    this.#parts = parts;
  }

  /** The id is made here, so that the caller has it although the hub is away. */
  async submit(order: GoalOrder): Promise<Result<GoalReceipt>> {
    const known = await this.#known(order);
    if (!known.ok) return known;
    if (known.value !== undefined) return ok({ id: known.value, existed: true });
    const id = this.#parts.ids.goal();
    const answer = await this.#send<GoalReceipt>(goalCommands.submit(id, order));
    if (!answer.ok) return answer;
    if (answer.value === undefined) return ok({ id, existed: false });
    await this.#shown(answer.value.id);
    return ok(answer.value);
  }

  cancel(id: GoalId, why: string): Promise<Result<Goal | undefined>> {
    return this.#send<Goal>(goalCommands.cancel(id, why));
  }

  resume(id: GoalId, budget: GoalBudget | null): Promise<Result<Goal | undefined>> {
    return this.#send<Goal>(goalCommands.resume(id, budget));
  }

  /** A key that this node's copy shows is answered without the hub. */
  async #known(order: GoalOrder): Promise<Result<GoalId | undefined>> {
    const { idempotencyKey: key } = order;
    if (key === null) return ok(undefined);
    const known = await this.store.keyed(key);
    if (!known.ok) return known;
    if (known.value === undefined) return ok(undefined);
    const isSame = orderText(known.value.order) === orderText(order);
    return isSame ? ok(known.value.id) : err(otherOrder(key, known.value.id));
  }

  async #shown(id: GoalId): Promise<void> {
    const { clock } = this.#parts;
    const endMs = clock.monotonicMs() + SEEN_MS;
    while (clock.monotonicMs() < endMs) {
      const found = await this.store.find(id);
      if (!found.ok || found.value !== undefined) return;
      await sleep(clock, LOOK_MS);
    }
  }

  /** Kept in the outbox first. @returns what the hub answered; undefined while it has not */
  async #send<T>(order: JsonObject): Promise<Result<T | undefined>> {
    const { queue, nodes, ids } = this.#parts;
    const level = nodes.level() ?? FIRST_FEATURE_LEVEL;
    if (!speaks(level, "goals")) return err(notSpoken(level, "goals", "a goal"));
    const answer = await queue.resend({ id: ids.command(), kind: "goal", args: { order } });
    if (answer === undefined) return ok(undefined);
    // `as`: the hub answers what its own service returned.
    return answer.ok ? ok(answer.value as T | undefined) : answer;
  }
}
