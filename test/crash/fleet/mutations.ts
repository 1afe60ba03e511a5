/** Defects of a fleet, each with the faults under which it has to show. */
import type { FaultKind } from "./faults.ts";
import type { Edit } from "./variants.ts";

export type Mutation = {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly faults: readonly FaultKind[];
  /** One of the violations has to match: what the defect breaks, not that something is broken. */
  readonly shows: RegExp;
};

const COURIER = "fleet/courier.ts";

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "no check of the fence",
    edits: [
      {
        file: "queue/commands/finish.ts",
        find: `return row.state === "running" && sameFence(fenceOf(row), fence);`,
        replace: `return row.state === "running" && fence.epoch >= 0;`,
      },
    ],
    faults: ["member_stopped", "member_stopped", "member_stopped"],
    shows: /^stale report/,
  },
  {
    name: "no idempotency",
    edits: [
      {
        file: "queue/commands/once.ts",
        find: "const known = tx.commandResult(once.id);",
        replace: "const known = tx.commandResult(once.id) === undefined ? undefined : undefined;",
      },
      // Commands that are repeated do no harm by themselves: ids of tasks and fences are their second guard. Keys have none.
      {
        file: "queue/commands/submit.ts",
        find: "  if (task.idempotencyKey !== null) tx.putIdempotency(task.idempotencyKey, task.id, task.bodyHash, context.nowMs);\n",
        replace: "",
      },
    ],
    faults: ["answers_lost", "hub_node_killed", "answers_lost"],
    shows: /^(repeated:|\S+ repeated was answered)/,
  },
  {
    name: "no epoch in the fence",
    edits: [
      {
        file: "store/queue-transaction.ts",
        find: "return { epoch: this.#epoch, n: this.#fence };",
        replace: "return { epoch: this.#epoch > 0 ? 1 : 1, n: this.#fence };",
      },
    ],
    faults: ["promoted_in_partition", "promoted_in_partition"],
    shows: /^fences/,
  },
  {
    name: "an outbox row goes when the hub has answered it",
    edits: [
      {
        file: COURIER,
        find: "if (epoch === 0) outbox.forget(results.map(({ id }) => id));",
        replace: "outbox.forget(results.map(({ id }) => id));",
      },
    ],
    faults: ["promoted_in_partition", "promoted_in_partition"],
    shows: /^lost/,
  },
  {
    name: "an outbox row goes when it is sent",
    edits: [
      {
        file: COURIER,
        find: "    const answer = await link.commands(batch);\n",
        replace: "    outbox.forget(batch.map(({ id }) => id));\n    const answer = await link.commands(batch);\n",
      },
    ],
    faults: ["requests_lost", "partition"],
    // The node shows what it has accepted from its outbox: it may miss it before the run is over.
    shows: /^(lost|\S+ was answered 404)/,
  },
  {
    name: "a hub that was replaced goes on",
    edits: [
      {
        file: "runtime/fleet/succession.ts",
        find: "    if (isHub) {\n",
        replace: "    if (isHub) return ok(undefined);\n    if (isHub) {\n",
      },
    ],
    faults: ["promoted_in_partition"],
    shows: /^promoted_in_partition failed: .*hub follows/,
  },
];
