import { z } from "zod";
import {
  type Clock,
  err,
  type GoalId,
  type IdFactory,
  type JsonObject,
  type NodeId,
  parseGoalId,
  type Result,
  refused,
} from "#base";
import type { Once } from "#queue";
import type { Goal, GoalBudget, GoalOrder } from "./goal.ts";
import { MAX_BUDGET_MICRODOLLARS, MAX_BUDGET_TOKENS, MAX_REASON_CHARS } from "./limits.ts";
import type { GoalReceipt, GoalStore } from "./ports.ts";
import { type GoalSubmission, goalSubmissionSchema, orderOf, submissionOf } from "./submission.ts";

/** Goals as people and programs hand them in and steer them, on whatever node. Answered after it is durable there. */
export interface Goals {
  /** What is read: the tables themselves, or this node's copy. */
  readonly store: GoalStore;
  submit(order: GoalOrder): Promise<Result<GoalReceipt>>;
  /** @returns the goal after it; undefined when the hub has not answered yet */
  cancel(id: GoalId, why: string): Promise<Result<Goal | undefined>>;
  resume(id: GoalId, budget: GoalBudget | null): Promise<Result<Goal | undefined>>;
}

/** Where goals are written: alone, or on the hub. */
export class GoalService implements Goals {
  readonly store: GoalStore;
  readonly #parts: GoalServiceParts;
  readonly #cancelListeners = new Set<(id: GoalId) => void>();

  constructor(parts: GoalServiceParts) {
    this.store = parts.store;
    this.#parts = parts;
  }

  /** Called when a goal was cancelled: what it has in the queue is to be taken out. @returns a function that ends it */
  onCancelled(listener: (id: GoalId) => void): () => void {
    this.#cancelListeners.add(listener);
    return () => this.#cancelListeners.delete(listener);
  }

  submit(order: GoalOrder): Promise<Result<GoalReceipt>> {
    return this.#submit(this.#parts.ids.goal(), order, this.#parts.node);
  }

  async cancel(id: GoalId, why: string, once?: Once): Promise<Result<Goal>> {
    const cancelled = await this.store.cancel(id, why, this.#parts.clock.nowMs(), once);
    if (cancelled.ok) for (const listener of this.#cancelListeners) listener(id);
    return cancelled;
  }

  resume(id: GoalId, budget: GoalBudget | null, once?: Once): Promise<Result<Goal>> {
    return this.store.resume(id, budget, this.#parts.clock.nowMs(), once);
  }

  /** Carries out what another node of the fleet sends. */
  async perform(command: JsonObject, once: Once): Promise<Result<unknown>> {
    const parsed = goalCommandSchema(this.#parts.check).safeParse(command);
    if (!parsed.success) {
      const why = z.prettifyError(parsed.error).slice(0, MAX_REASON_CHARS);
      return err(refused("invalid", `the goal is not valid: ${why}`));
    }
    const given = parsed.data;
    switch (given.kind) {
      case "submit":
        // `as`: what the schema let through is a submission.
        return this.#submit(given.id, orderOf(given.goal as GoalSubmission), once.node, once);
      case "cancel":
        return this.cancel(given.id, given.why, once);
      case "resume":
        return this.resume(given.id, given.budget, once);
    }
  }

  async #submit(id: GoalId, order: GoalOrder, node: NodeId, once?: Once): Promise<Result<GoalReceipt>> {
    const placed = this.#parts.place(order);
    if (!placed.ok && !(await this.#isRepeated(id, order))) return placed;
    return this.store.submit({ id, order, node, nowMs: this.#parts.clock.nowMs() }, once);
  }

  /** What was taken once is answered the same, although its place has gone since. */
  async #isRepeated(id: GoalId, { idempotencyKey: key }: GoalOrder): Promise<boolean> {
    const known = key === null ? await this.store.find(id) : await this.store.keyed(key);
    return known.ok && known.value !== undefined;
  }
}

export type GoalServiceParts = {
  readonly store: GoalStore;
  readonly clock: Clock;
  readonly ids: Pick<IdFactory, "goal">;
  readonly node: NodeId;
  /** The schema of one mechanical check. */
  readonly check: z.ZodType;
  /** Refuses an order whose repository or workspace no node can have. */
  readonly place: (order: GoalOrder) => Result<void>;
};

const goalId = z.custom<GoalId>((given) => typeof given === "string" && parseGoalId(given) !== undefined);
export const goalBudgetSchema = z.strictObject({
  tokens: z.int().min(1).max(MAX_BUDGET_TOKENS).nullable(),
  costMicrodollars: z.int().min(1).max(MAX_BUDGET_MICRODOLLARS).nullable(),
});

function goalCommandSchema(check: z.ZodType) {
  return z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("submit"), id: goalId, goal: goalSubmissionSchema(check) }),
    z.object({ kind: z.literal("cancel"), id: goalId, why: z.string().max(MAX_REASON_CHARS) }),
    z.object({ kind: z.literal("resume"), id: goalId, budget: goalBudgetSchema.nullable() }),
  ]);
}

/** What a node sends to its hub. */
export const goalCommands = {
  submit: (id: GoalId, order: GoalOrder): JsonObject => ({
    kind: "submit",
    id,
    goal: {
      // `as`: JSON throughout, by its type.
      ...(submissionOf(order) as JsonObject),
      channel: order.channel,
      ...(order.idempotencyKey === null ? {} : { idempotencyKey: order.idempotencyKey }),
    },
  }),
  cancel: (id: GoalId, why: string): JsonObject => ({ kind: "cancel", id, why }),
  resume: (id: GoalId, budget: GoalBudget | null): JsonObject => ({
    kind: "resume",
    id,
    budget: budget === null ? null : { ...budget },
  }),
} as const;
