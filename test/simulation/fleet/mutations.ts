import type { Rule } from "./checks.ts";
import { ELECTION_MUTATIONS } from "./election/mutations.ts";
import type { ElectionRule } from "./election/rules.ts";

/** One deliberate defect: `find` stands exactly once in the file and is replaced. */
export type Mutation = {
  readonly name: string;
  /** Below src. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Which histories are played against it; those of work unless told. */
  readonly of?: "work" | "election";
  /** The rules of which one must catch it first. */
  readonly caughtBy: readonly (Rule | ElectionRule)[];
  /** Rules that do not look, so that others have to. */
  readonly without?: readonly (Rule | ElectionRule)[];
  /** Shows in one of some thousand histories: too few for the suite, which leaves it to `--mutants`. */
  readonly isRare?: true;
};

const COURIER = "fleet/courier.ts";
const FLEET_QUEUE = "fleet/fleet-queue.ts";

const WORK_MUTATIONS: readonly Mutation[] = [
  {
    name: "any fence may report",
    file: "queue/commands/finish.ts",
    find: `return row.state === "running" && sameFence(fenceOf(row), fence);`,
    replace: `return row.state === "running" && fence.epoch >= 0;`,
    without: ["alone"],
    caughtBy: ["count"],
  },
  {
    name: "a repeated command takes effect again",
    file: "queue/commands/once.ts",
    find: "if (known !== undefined) {",
    replace: "if (known !== undefined) return command(tx, context);\n  if (known !== undefined) {",
    // Its first sign is a task that is inserted twice, and the command is then sent for ever.
    without: ["no bug", "rest"],
    caughtBy: ["once"],
  },
  {
    name: "a promotion keeps the epoch of the fences",
    file: "queue/memory-transaction.ts",
    find: "return { epoch: this.#tables.epoch, n: this.#tables.fence };",
    replace: "return { epoch: 1, n: this.#tables.fence };",
    caughtBy: ["fence"],
  },
  {
    name: "an outbox row goes when it is answered",
    file: COURIER,
    find: "if (epoch === 0) outbox.forget(results.map(({ id }) => id));",
    replace: "outbox.forget(results.map(({ id }) => id));",
    caughtBy: ["kept"],
  },
  {
    name: "an outbox row goes when its own replica shows it",
    file: COURIER,
    find: "untilMs: clock.monotonicMs() + KEEP_MS",
    replace: "untilMs: clock.monotonicMs()",
    caughtBy: ["kept"],
  },
  {
    name: "what a former hub answered and lost is not sent again",
    file: COURIER,
    find: "    outbox.reopen(lost.map(({ id }) => id));\n",
    replace: "",
    caughtBy: ["rest", "kept"],
  },
  {
    name: "that the hub could not write counts as its answer",
    file: COURIER,
    find: "results.filter((result) => !mayComeRight(result));",
    replace: "results.filter((result) => result.id !== undefined);",
    caughtBy: ["rest", "kept"],
  },
  {
    name: "commands are sent in the wrong order",
    file: "fleet/memory-outbox.ts",
    find: ".sort((a, b) => a.n - b.n)",
    replace: ".sort((a, b) => b.n - a.n)",
    caughtBy: ["order"],
  },
  {
    name: "a claim's lease counts from its answer",
    file: FLEET_QUEUE,
    find: "this.#leases.grant(row.id, fence, sentAtMs, termMs);",
    replace: "this.#leases.grant(row.id, fence, clock.monotonicMs(), termMs);",
    caughtBy: ["counted"],
  },
  {
    name: "a renewed lease counts from its answer",
    file: FLEET_QUEUE,
    find: "this.#leases.renewed(taskId, fence, sentAtMs, this.#termMs);",
    replace: "this.#leases.renewed(taskId, fence, clock.monotonicMs(), this.#termMs);",
    caughtBy: ["counted"],
  },
  {
    name: "a lease is used for its whole term",
    file: "fleet/holder-leases.ts",
    find: "const SAFE_SHARE = 0.8;",
    replace: "const SAFE_SHARE = 1;",
    caughtBy: ["counted"],
  },
  {
    name: "a lease is used for its whole term, and only whoever holds it besides can tell",
    file: "fleet/holder-leases.ts",
    find: "const SAFE_SHARE = 0.8;",
    replace: "const SAFE_SHARE = 1;",
    without: ["counted"],
    caughtBy: ["alone"],
    isRare: true,
  },
  {
    name: "a restart takes up leases that nobody confirmed",
    file: "fleet/holder-leases.ts",
    find: "untilMs: isKnown ? note.untilMs : Number.NEGATIVE_INFINITY",
    replace: "untilMs: isKnown ? note.untilMs : Number.POSITIVE_INFINITY",
    caughtBy: ["counted", "alone"],
    // What was not noted is what was claimed in the last half second before a kill.
    isRare: true,
  },
  {
    name: "a restart begins each lease anew",
    file: "fleet/holder-leases.ts",
    find: "untilMs: isKnown ? note.untilMs : Number.NEGATIVE_INFINITY",
    replace: "untilMs: Number.POSITIVE_INFINITY",
    caughtBy: ["counted", "alone"],
  },
  {
    name: "what was noted counts by the clock of the next process",
    file: "fleet/lease-notes.ts",
    find: "untilMs: lease.untilMs + aheadMs",
    replace: "untilMs: lease.untilMs",
    caughtBy: ["counted", "alone"],
  },
  {
    name: "the hub forgets to take back",
    file: "fleet/hub-service.ts",
    find: `      void queue.release(taskId, fence, "its node never heard of it");\n`,
    replace: "",
    caughtBy: ["taken back"],
  },
];

/** Both kinds of histories, each with its defects. */
export const MUTATIONS: readonly Mutation[] = [...WORK_MUTATIONS, ...ELECTION_MUTATIONS];
