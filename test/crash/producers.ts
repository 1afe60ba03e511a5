/** Clients that submit through crashes, and the record of what they were promised. */
import { type Random, sleep } from "#base";
import type { Answer, BinaryNode } from "../support/binary-node.ts";
import { realClock } from "../support/real-clock.ts";
import type { Plan, PlannedTask } from "./submissions.ts";

/** The node that runs now; clients wait here while there is none. */
export class NodeSlot {
  #node: BinaryNode | undefined;
  #isOver = false;
  #waiting: ((node: BinaryNode | undefined) => void)[] = [];

  set(node: BinaryNode | undefined): void {
    this.#node = node;
    if (node === undefined) return;
    for (const resolve of this.#waiting.splice(0)) resolve(node);
  }

  /** Nobody waits here any longer: a node that did not start would hold up the end of a run for ever. */
  end(): void {
    this.#isOver = true;
    for (const resolve of this.#waiting.splice(0)) resolve(undefined);
  }

  /** @returns undefined when there is none, and no other will come. */
  get(): Promise<BinaryNode | undefined> {
    if (this.#node !== undefined || this.#isOver) return Promise.resolve(this.#node);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}

/** A task whose acceptance was answered. */
export type Accepted = PlannedTask & { readonly id: string };

/** What clients were told; the node's side of it is read from its database afterwards. */
export class Ledger {
  readonly accepted: Accepted[] = [];
  readonly faults: string[] = [];
  repeated = 0;
  /** Requests that got no answer because the node was gone. */
  unanswered = 0;

  /** Takes an answer into account. @returns whether the submission is over. */
  take(plan: Plan, answer: Answer): boolean {
    if (answer.status === 429 || answer.status === 503) return false;
    const ids = idsOf(answer.body);
    if ((answer.status !== 200 && answer.status !== 201) || ids.length !== plan.tasks.length) {
      this.faults.push(`${plan.key} was answered ${answer.status}: ${JSON.stringify(answer.body).slice(0, 300)}`);
      return true;
    }
    for (const [index, task] of plan.tasks.entries()) this.accepted.push({ ...task, id: ids[index] ?? "" });
    return true;
  }

  /** A repetition of an accepted submission has to name the same tasks. */
  compare(plan: Plan, answer: Answer): void {
    this.repeated += 1;
    const known = new Map(this.accepted.map(({ title, id }) => [title, id]));
    const same = idsOf(answer.body).every((id, index) => known.get(plan.tasks[index]?.title ?? "") === id);
    if (answer.status !== 200 || !same) {
      this.faults.push(`${plan.key} repeated was answered ${answer.status} with other tasks than before`);
    }
  }
}

function idsOf(body: unknown): readonly string[] {
  if (typeof body !== "object" || body === null) return [];
  if ("tasks" in body && Array.isArray(body.tasks)) return body.tasks.flatMap(idsOf);
  return "id" in body && typeof body.id === "string" ? [body.id] : [];
}

export type ProducerOptions = {
  readonly slot: NodeSlot;
  readonly ledger: Ledger;
  readonly random: Random;
  /** @returns the next submission; undefined ends this producer. */
  readonly next: () => Plan | undefined;
  /** Pause between two submissions. */
  readonly pauseMs: number;
  /** How many of them are sent once more. */
  readonly repeatRatio?: number;
};

const REPEAT_RATIO = 0.05;
/** After a request without an answer: the node is being replaced. */
const GONE_PAUSE_MS = 15;

/** Submits one plan after the other, each until it is answered. */
export async function produce(options: ProducerOptions): Promise<void> {
  const { ledger, random, next, pauseMs, repeatRatio = REPEAT_RATIO } = options;
  for (let plan = next(); plan !== undefined; plan = next()) {
    while (!(await submitted(options, plan, (answer) => ledger.take(plan, answer)))) await pause(GONE_PAUSE_MS);
    if (random.next() < repeatRatio) {
      await submitted(options, plan, (answer) => {
        ledger.compare(plan, answer);
        return true;
      });
    }
    await pause(pauseMs);
  }
}

async function submitted(
  { slot, ledger }: ProducerOptions,
  plan: Plan,
  take: (answer: Answer) => boolean,
): Promise<boolean> {
  const node = await slot.get();
  if (node === undefined) return true;
  let answer: Answer;
  try {
    answer = await node.request("POST", "/api/tasks", plan.body, { "idempotency-key": plan.key });
  } catch {
    ledger.unanswered += 1;
    return false; // Killed with the request in flight: whether it counts is found out by repeating it.
  }
  return take(answer);
}

function pause(ms: number): Promise<void> {
  return sleep(realClock, ms);
}
