import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom, type TaskId } from "#base";
import type { NewTask } from "#queue";
import { findCycle } from "../../../src/queue/commands/submit.ts";
import { newTask } from "../../support/queue-world.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(1));
const NAMES = Array.from({ length: 9 }, () => ids.task());

/** Random graphs over up to eight tasks; the ninth name is a task of the store. */
const graphs = fc
  .array(fc.uniqueArray(fc.nat({ max: 8 }), { maxLength: 4 }), { minLength: 1, maxLength: 8 })
  .map((edges) => {
    const batch = new Map<TaskId, NewTask>();
    for (const [index, targets] of edges.entries()) {
      const id = NAMES[index];
      if (id !== undefined) batch.set(id, newTask(id, { dependsOn: targets.flatMap((target) => NAMES[target] ?? []) }));
    }
    return batch;
  });

/** Takes away tasks without open dependencies until none is left to take. */
function hasCycle(batch: ReadonlyMap<TaskId, NewTask>): boolean {
  const left = new Map(batch);
  for (let before = -1; before !== left.size; ) {
    before = left.size;
    for (const [id, task] of left) if (!task.dependsOn.some((next) => left.has(next))) left.delete(id);
  }
  return left.size > 0;
}

describe("the search for a circle among dependencies", () => {
  it("finds one exactly when there is one, and what it finds is one", () => {
    let found = 0;
    fc.assert(
      fc.property(graphs, (batch) => {
        const cycle = findCycle(batch);

        expect(cycle !== undefined).toBe(hasCycle(batch));
        if (cycle === undefined) return;
        found += 1;
        expect(cycle[0]).toBe(cycle.at(-1));
        expect(cycle.length).toBeGreaterThan(1);
        for (const [index, id] of cycle.slice(0, -1).entries()) {
          expect(batch.get(id)?.dependsOn).toContain(cycle[index + 1]);
        }
      }),
      { numRuns: 2_000 },
    );
    expect(found).toBeGreaterThan(200);
  });

  it("finds a task that depends on itself", () => {
    const id = ids.task();

    expect(findCycle(new Map([[id, newTask(id, { dependsOn: [id] })]]))).toEqual([id, id]);
  });

  it("follows a chain of a thousand without deep recursion, and a wide graph in linear time", () => {
    const chain = Array.from({ length: 1_000 }, () => ids.task());
    const batch = new Map(
      chain.map((id, index) => [id, newTask(id, { dependsOn: chain.slice(index + 1, index + 40) })]),
    );

    expect(findCycle(batch)).toBeUndefined();
  });
});
