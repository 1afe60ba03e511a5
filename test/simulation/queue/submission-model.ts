import type { TaskId } from "#base";
import type { NewTask } from "#queue";
import type { QueueWorld } from "../../support/queue-world.ts";
import type { Snapshot } from "./oracle.ts";
import { BATCH_PICK, choose, KEYS, MISSING_PICK, REQUIREMENTS, type Submission } from "./steps.ts";

/** Which submissions are to be taken, which refused, and which task each of them names. */
export class SubmissionModel {
  readonly #idempotency = new Map<string, { readonly id: TaskId; readonly bodyHash: string }>();
  readonly #retryMaxMs: number;

  constructor(retryMaxMs: number) {
    this.#retryMaxMs = retryMaxMs;
  }

  batch(submissions: readonly Submission[], world: QueueWorld, stored: readonly TaskId[]): readonly NewTask[] {
    const fresh = submissions.map(() => world.ids.task());
    const depend = (pick: number): readonly TaskId[] => {
      if (pick === MISSING_PICK) return [world.ids.task()];
      const id = pick >= BATCH_PICK ? fresh[pick - BATCH_PICK] : choose(stored, pick);
      return id === undefined ? [] : [id];
    };
    return submissions.map((wanted, index) =>
      world.task({
        ...(fresh[index] === undefined ? {} : { id: fresh[index] }),
        lane: wanted.lane,
        key: KEYS[wanted.key] ?? "",
        requirements: REQUIREMENTS[wanted.requirements] ?? "{}",
        dependsOn: wanted.dependsOn.flatMap(depend),
        dependencyPolicy: wanted.policy,
        runAtMs: wanted.runInMs === null ? null : world.clock.nowMs() + wanted.runInMs,
        maxAttempts: wanted.maxAttempts,
        retryBaseMs: wanted.retryBaseMs,
        retryMaxMs: this.#retryMaxMs,
        idempotencyKey: wanted.idempotency === null ? null : `once-${wanted.idempotency}`,
        bodyHash: `body-${wanted.body}`,
        body: JSON.stringify({ title: `body ${wanted.body}` }),
      }),
    );
  }

  /** @returns which task each member of the batch names, or undefined when the batch is to be refused. */
  expect(batch: readonly NewTask[], { tasks }: Snapshot): ReadonlyMap<TaskId, TaskId> | undefined {
    // A key is remembered as long as its task is there.
    for (const [key, { id }] of this.#idempotency) if (!tasks.has(id)) this.#idempotency.delete(key);
    const names = this.#names(batch);
    if (names === undefined) return undefined;
    const named = (ids: readonly TaskId[]): readonly TaskId[] => ids.map((id) => names.get(id) ?? id);
    const fresh = new Map(batch.filter((task) => names.get(task.id) === task.id).map((task) => [task.id, task]));
    for (const task of fresh.values()) {
      const reached = new Set<TaskId>();
      const open = [...named(task.dependsOn)];
      for (let id = open.pop(); id !== undefined; id = open.pop()) {
        if (id === task.id) return undefined; // a circle
        if (reached.has(id)) continue;
        reached.add(id);
        open.push(...named(fresh.get(id)?.dependsOn ?? []));
      }
      for (const id of named(task.dependsOn)) {
        if (fresh.has(id)) continue;
        const state = tasks.get(id)?.row.state;
        if (state === undefined) return undefined;
        if (task.dependencyPolicy === "fail" && (state === "dead" || state === "cancelled")) return undefined;
      }
    }
    return names;
  }

  accepted(batch: readonly NewTask[], names: ReadonlyMap<TaskId, TaskId>): void {
    for (const { id, idempotencyKey, bodyHash } of batch) {
      if (idempotencyKey === null || this.#idempotency.has(idempotencyKey)) continue;
      this.#idempotency.set(idempotencyKey, { id: names.get(id) ?? id, bodyHash });
    }
  }

  /** Q10: the first under a key gives it its task; another body is a conflict. */
  #names(batch: readonly NewTask[]): ReadonlyMap<TaskId, TaskId> | undefined {
    const names = new Map<TaskId, TaskId>();
    const keys = new Map(this.#idempotency);
    for (const { id, idempotencyKey, bodyHash } of batch) {
      const known = idempotencyKey === null ? undefined : keys.get(idempotencyKey);
      if (known !== undefined && known.bodyHash !== bodyHash) return undefined;
      names.set(id, known?.id ?? id);
      if (known === undefined && idempotencyKey !== null) keys.set(idempotencyKey, { id, bodyHash });
    }
    return names;
  }
}
