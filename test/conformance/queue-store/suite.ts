import { afterEach, beforeEach, describe } from "vitest";
import type { Result, TaskId } from "#base";
import type { AttemptReport, ClaimedTask, NewTask, QueueEvent, TaskState } from "#queue";
import { acceptsAll, attemptReport, QueueWorld, type StoreHarness } from "../../support/queue-world.ts";

/** What the parts of the conformance suite share: a fresh world for each test, and short ways to say common things. */
export class Suite {
  #world: QueueWorld | undefined;

  constructor(makeHarness: () => Promise<StoreHarness>) {
    beforeEach(async () => {
      this.#world = new QueueWorld(await makeHarness());
      await this.#world.start();
    });
    afterEach(async () => {
      await this.#world?.close();
      this.#world = undefined;
    });
  }

  get world(): QueueWorld {
    if (this.#world === undefined) throw new Error("only inside a test");
    return this.#world;
  }

  get queue(): QueueWorld["queue"] {
    return this.world.queue;
  }

  async submit(...over: readonly Partial<NewTask>[]): Promise<readonly TaskId[]> {
    return value(await this.queue.submit(over.map((each) => this.world.task(each)))).map((receipt) => receipt.id);
  }

  async submitOne(over: Partial<NewTask> = {}): Promise<TaskId> {
    return first(await this.submit(over));
  }

  async claim(limit = 100, accepts: (requirements: string) => boolean = acceptsAll): Promise<readonly ClaimedTask[]> {
    return value(await this.queue.claim({ holder: this.world.node, limit, accepts })).tasks;
  }

  async claimOne(): Promise<ClaimedTask> {
    return first(await this.claim(1));
  }

  async finish(task: ClaimedTask, over: Partial<AttemptReport> = {}) {
    return value(await this.queue.finish(task.row.id, task.fence, attemptReport(over)));
  }

  /** Claims the only ready task and ends its attempt. */
  async attempt(over: Partial<AttemptReport> = {}): Promise<TaskId> {
    const task = await this.claimOne();
    await this.finish(task, over);
    return task.row.id;
  }

  async state(id: TaskId): Promise<TaskState> {
    return (await this.world.record(id)).row.state;
  }

  async states(ids: readonly TaskId[]): Promise<readonly TaskState[]> {
    return Promise.all(ids.map((id) => this.state(id)));
  }

  async allEvents(taskId?: TaskId): Promise<readonly QueueEvent[]> {
    return value(await this.world.store.events(0, 10_000, taskId));
  }

  async kinds(taskId: TaskId): Promise<readonly string[]> {
    return (await this.allEvents(taskId)).map((event) => event.kind);
  }

  /** Runs `action` and demands that it is refused with `code` and leaves no event. @returns what it said. */
  async refused(code: string, action: () => Promise<Result<unknown>>): Promise<string> {
    const before = value(await this.world.store.eventRange());
    const result = await action();
    if (result.ok) throw new Error("it was accepted");
    if (result.error.kind !== "refused" || result.error.code !== code) {
      throw new Error(`not refused as ${code}: ${JSON.stringify(result.error)}`);
    }
    const after = value(await this.world.store.eventRange());
    if (after.lastSeq !== before.lastSeq) throw new Error("a refusal left an event");
    return `${result.error.message}. ${result.error.remedy ?? ""}`;
  }
}

export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

export function first<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error("there is none");
  return item;
}

export type Part = (suite: Suite) => void;

export function part(name: string, makeHarness: () => Promise<StoreHarness>, body: Part): void {
  describe(`it ${name}`, () => {
    body(new Suite(makeHarness));
  });
}
