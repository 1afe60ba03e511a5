import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { LeaseTable } from "#queue";

const ids = createIdFactory(new SimulatedClock(), seededRandom(1));
const TERM_MS = 4_000;
const node = ids.node();
const fence = (n: number) => ({ epoch: 1, n });

describe("the table of leases", () => {
  it("Q3: renews a lease only under the fence that holds it", () => {
    const leases = new LeaseTable(TERM_MS);
    const task = ids.task();
    leases.grant(task, fence(2), node, 0);

    expect(leases.renew(task, fence(1), 10)).toBe(false);
    expect(leases.renew(task, { epoch: 2, n: 2 }, 10)).toBe(false);
    expect(leases.renew(ids.task(), fence(2), 10)).toBe(false);
    expect(leases.renew(task, fence(2), 10)).toBe(true);
  });

  it("ends a lease only for the fence that holds it", () => {
    const leases = new LeaseTable(TERM_MS);
    const task = ids.task();
    leases.grant(task, fence(2), node, 0);

    leases.end(task, fence(1));
    expect(leases.size).toBe(1);

    leases.end(task, fence(2));
    expect([leases.size, leases.renew(task, fence(2), 1)]).toEqual([0, false]);
  });

  it("Q3: is not taken over by an earlier claim that is answered again", () => {
    const leases = new LeaseTable(TERM_MS);
    const [task, other] = [ids.task(), ids.node()];
    leases.grant(task, { epoch: 2, n: 5 }, node, 0);
    leases.grant(task, { epoch: 2, n: 4 }, other, 1);
    leases.grant(task, { epoch: 1, n: 9 }, other, 1);

    expect(leases.holderOf(task, { epoch: 2, n: 5 })).toBe(node);
    leases.grant(task, { epoch: 2, n: 6 }, other, 2);
    expect(leases.holderOf(task, { epoch: 2, n: 6 })).toBe(other);
  });

  it("gives a lease up exactly when its holder was silent for the term", () => {
    const leases = new LeaseTable(TERM_MS);
    const task = ids.task();
    leases.grant(task, fence(1), node, 0);
    for (let ms = 0; ms < TERM_MS; ms += 500) expect(leases.expired(ms)).toEqual([]);

    expect(leases.expired(TERM_MS)).toEqual([
      { taskId: task, fence: fence(1), holder: node, expiresAtMs: TERM_MS, termMs: TERM_MS },
    ]);
  });

  it("gives back the time in which this process itself stood still", () => {
    const leases = new LeaseTable(TERM_MS);
    leases.grant(ids.task(), fence(1), node, 0);
    leases.expired(1_000);

    expect(leases.expired(61_000)).toEqual([]);
    for (let ms = 61_500; ms < 64_000; ms += 500) expect(leases.expired(ms)).toEqual([]);
    expect(leases.expired(64_000)).toHaveLength(1);
  });

  it("gives no more than one term to a lease that was renewed after the standstill and before the check", () => {
    const leases = new LeaseTable(TERM_MS);
    const task = ids.task();
    leases.grant(task, fence(1), node, 0);
    leases.expired(1_000);
    leases.renew(task, fence(1), 3_600_000);

    expect(leases.expired(3_600_100)).toEqual([]);
    for (let ms = 3_600_600; ms < 3_604_000; ms += 500) expect(leases.expired(ms)).toEqual([]);
    expect(leases.expired(3_604_100)).toHaveLength(1);
  });

  it("never gives up a lease early nor keeps one later than a term after the last check, over random histories", () => {
    const step = fc.record({ ms: fc.integer({ min: 1, max: 10_000 }), renews: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const leases = new LeaseTable(TERM_MS);
        const task = ids.task();
        leases.grant(task, fence(1), node, 0);
        let nowMs = 0;
        let heardMs = 0;
        for (const { ms, renews } of steps) {
          nowMs += ms;
          if (renews && leases.renew(task, fence(1), nowMs)) heardMs = nowMs;
          const expired = leases.expired(nowMs);
          if (expired.length === 0) continue;
          expect(nowMs - heardMs).toBeGreaterThanOrEqual(TERM_MS);
          break;
        }
        for (let ms = 0; ms <= TERM_MS; ms += 500) leases.expired(nowMs + ms);
        expect(leases.expired(nowMs + TERM_MS)).toHaveLength(1);
      }),
    );
  });
});

describe("leases of holders elsewhere", () => {
  it("last for the term they were granted for, and are renewed for it", () => {
    const leases = new LeaseTable(TERM_MS);
    const taskId = ids.task();
    const termMs = 10 * TERM_MS;
    leases.grant(taskId, fence(1), node, 0, termMs);

    expect(leases.expired(TERM_MS + 1)).toEqual([]);
    expect(leases.renew(taskId, fence(1), 2 * TERM_MS)).toBe(true);
    expect(leases.heldBy(node)).toEqual([{ taskId, fence: fence(1), holder: node, expiresAtMs: 12 * TERM_MS, termMs }]);
    expect(leases.holderOf(taskId, fence(1))).toBe(node);
    expect(leases.holderOf(taskId, fence(2))).toBeUndefined();
  });
});
