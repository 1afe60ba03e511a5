import type { CommandId, JsonObject, NodeId, TaskId } from "#base";
import { type Fence, type QueueEvent, sameFence } from "#queue";
import type { HubDatabase } from "./database.ts";
import type { SimulatedTime } from "./time.ts";

/** The rules that a history is held against; the letters are those of src/fleet and src/queue. */
export const RULES = {
  "no bug": "nothing ends by an exception",
  fence: "Q2: fences rise in each history, and none is given out twice, by whatever hub",
  count: "Q3, Q14: a task's passed attempt is counted once in a history, under the fence of whoever ran it",
  once: "U1, Q15: a command takes effect once in a history",
  order: "O2: submissions of a node arrive in their order",
  kept: "O1, O3: what was accepted for a caller is there in the end",
  alone: "H2: two holders of one hub never both hold a task",
  counted: "H1: a lease is used for its share of the term since its request was sent",
  "taken back": "U3: a lease that its node does not know of is taken back",
  prefix: "a replica never goes back within an epoch, and shows what its hub had",
  rest: "when faults stop, all work ends, outboxes empty and replicas are equal",
} as const;
export type Rule = keyof typeof RULES;

export type Breach = { readonly rule: Rule; readonly text: string; readonly atMs: number };

/** Whoever runs a task now, in one process. */
export type Acting = {
  readonly node: string;
  readonly taskId: TaskId;
  readonly fence: Fence;
  /** What its own queue says. */
  readonly isLive: () => boolean;
  /** Of the hub that confirmed it last. */
  readonly epoch: () => number;
};

type TaskMarks = { fence: Fence; done: number };

/** What the outside saw: effects, acknowledgements, events. It knows true time and every machine. */
export class Checks {
  readonly #time: SimulatedTime;
  readonly #off: ReadonlySet<string>;
  readonly #given = new Map<string, string>();
  readonly #acting = new Map<TaskId, Set<Acting>>();
  readonly #submitted = new Map<TaskId, { readonly node: NodeId; readonly n: number; readonly command: CommandId }>();
  readonly #resent = new Set<CommandId>();
  readonly counts = new Map<string, number>();
  first: Breach | undefined;
  /** Told what happens, to read one history. */
  trace: ((line: string) => void) | undefined;

  constructor(time: SimulatedTime, off: ReadonlySet<string>) {
    this.#time = time;
    this.#off = off;
  }

  add(name: string, by = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  say(text: () => string): void {
    this.trace?.(`${(this.#time.nowMs / 1_000).toFixed(3).padStart(8)} ${text()}`);
  }

  check(holds: boolean, rule: Rule, text: () => string): void {
    if (holds || this.first !== undefined || this.#off.has(rule)) return;
    this.first = { rule, text: text(), atMs: Math.round(this.#time.nowMs) };
  }

  bug(text: string): void {
    this.check(false, "no bug", () => text);
  }

  /** A member put this submission into its outbox. */
  journaled(taskId: TaskId, node: NodeId, n: number, command: CommandId): void {
    this.#submitted.set(taskId, { node, n, command });
  }

  resent(ids: readonly CommandId[]): void {
    this.add("sent again after a promotion", ids.length);
    for (const id of ids) this.#resent.add(id);
  }

  /** Follows everything that is written to one history. */
  watch(database: HubDatabase): void {
    const marks = new Map<TaskId, TaskMarks>();
    const announced = new Set<string>();
    const lastOf = new Map<NodeId, number>();
    database.store.subscribe((events) => {
      for (const event of events) {
        this.add(event.kind);
        this.say(() => `epoch ${database.epoch}: ${event.kind} ${event.taskId ?? ""} ${JSON.stringify(event.data)}`);
        this.#started(event, marks, database.epoch);
        this.#ended(event, marks);
        if (!wasAway(database, this.#time)) this.#arrived(event, lastOf);
        if (event.kind === "budget.warned") {
          const mark = JSON.stringify(event.data);
          this.check(!announced.has(mark), "once", () => `announcement ${mark} was recorded twice`);
          announced.add(mark);
        }
      }
    });
  }

  #started({ kind, taskId, data }: QueueEvent, marks: Map<TaskId, TaskMarks>, epoch: number): void {
    if (kind !== "task.started" || taskId === null) return;
    const fence = fenceIn(data);
    const was = marks.get(taskId) ?? { fence: { epoch: 0, n: 0 }, done: 0 };
    const rises = fence.epoch > was.fence.epoch || (fence.epoch === was.fence.epoch && fence.n > was.fence.n);
    this.check(rises, "fence", () => `${taskId} got ${shown(fence)} after ${shown(was.fence)}`);
    const claim = `${taskId} by the hub of epoch ${epoch}`;
    const other = this.#given.get(shown(fence));
    this.check(other === undefined, "fence", () => `${shown(fence)} was given out for ${other} and for ${claim}`);
    this.#given.set(shown(fence), claim);
    marks.set(taskId, { ...was, fence });
  }

  #ended({ kind, taskId }: QueueEvent, marks: Map<TaskId, TaskMarks>): void {
    if (kind !== "task.done" || taskId === null) return;
    const was = marks.get(taskId) ?? { fence: { epoch: 0, n: 0 }, done: 0 };
    this.check(was.done === 0, "count", () => `${taskId} was done twice`);
    marks.set(taskId, { ...was, done: was.done + 1 });
  }

  #arrived({ kind, taskId }: QueueEvent, lastOf: Map<NodeId, number>): void {
    const submission = kind === "task.submitted" && taskId !== null ? this.#submitted.get(taskId) : undefined;
    // What a former hub had answered comes when its loss is noticed, after what was never sent before.
    if (submission === undefined || this.#resent.has(submission.command)) return;
    const last = lastOf.get(submission.node) ?? 0;
    this.check(submission.n > last, "order", () => `submission ${submission.n} of ${submission.node} after ${last}`);
    lastOf.set(submission.node, Math.max(last, submission.n));
  }

  begins(acting: Acting): void {
    const others = this.#acting.get(acting.taskId) ?? new Set();
    others.add(acting);
    this.say(() => `${acting.node} begins ${acting.taskId} under ${shown(acting.fence)}`);
    this.#acting.set(acting.taskId, others);
    this.acts(acting);
  }

  ends(acting: Acting): void {
    this.#acting.get(acting.taskId)?.delete(acting);
    this.say(() => `${acting.node} ends ${acting.taskId} under ${shown(acting.fence)}`);
  }

  /** An effect outside, made because the holder's queue says that it holds the task. */
  acts(acting: Acting): void {
    this.add("effects");
    for (const other of this.#acting.get(acting.taskId) ?? []) {
      if (sameFence(other.fence, acting.fence) || !other.isLive() || !acting.isLive()) continue;
      if (other.epoch() !== acting.epoch()) {
        this.add("tasks held under two hubs at once");
        continue;
      }
      this.check(false, "alone", () => {
        const who = [other, acting].map(({ node, fence }) => `${node} under ${shown(fence)}`);
        return `${acting.taskId} is held by ${who.join(" and by ")}`;
      });
    }
  }
}

/** A batch of which a part could be written: the rest is sent again, after what came behind it. */
function wasAway({ isUnavailable, unavailableMs }: HubDatabase, time: SimulatedTime): boolean {
  return isUnavailable || time.nowMs - unavailableMs < AWAY_MS;
}

const AWAY_MS = 60_000;

export function shown(fence: Fence): string {
  return `(${fence.epoch}, ${fence.n})`;
}

function fenceIn(data: JsonObject): Fence {
  return data["fence"] as Fence; // `as`: written by `claim`
}
