import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SimulatedClock, sleep } from "#base";

describe("the simulated clock", () => {
  it("fires timers in the order of their due time, each at its instant, and none early", () => {
    const delays = fc.array(fc.integer({ min: -5, max: 1_000 }), { maxLength: 30 });
    fc.assert(
      fc.property(delays, fc.array(fc.nat({ max: 300 }), { maxLength: 10 }), (delaysMs, advances) => {
        const clock = new SimulatedClock();
        const fired: { dueMs: number; atMs: number }[] = [];
        for (const delayMs of delaysMs) {
          const dueMs = Math.max(0, delayMs);
          clock.after(delayMs, () => fired.push({ dueMs, atMs: clock.monotonicMs() }));
        }

        for (const ms of advances) clock.advance(ms);

        const expected = delaysMs.map((ms) => Math.max(0, ms)).filter((ms) => ms <= clock.monotonicMs());
        const wasAdvanced = advances.length > 0;
        expect(fired.map(({ dueMs }) => dueMs)).toEqual(wasAdvanced ? expected.sort((a, b) => a - b) : []);
        for (const { dueMs, atMs } of fired) expect(atMs).toBe(dueMs);
      }),
    );
  });

  it("fires a timer that a timer sets, when that falls due within the same advance", () => {
    const clock = new SimulatedClock();
    const fired: number[] = [];
    clock.after(10, () => clock.after(5, () => fired.push(clock.monotonicMs())));

    clock.advance(14);
    expect(fired).toEqual([]);

    clock.advance(1);
    expect(fired).toEqual([15]);
  });

  it("never fires a timer that was cancelled, and cancelling twice does no harm", () => {
    const clock = new SimulatedClock();
    let fired = 0;
    const timer = clock.after(10, () => {
      fired += 1;
    });

    timer.cancel();
    timer.cancel();
    clock.advance(100);

    expect(fired).toBe(0);
  });

  it("moves only the wall when it jumps, so timers do not notice", () => {
    const clock = new SimulatedClock(1_000);
    let fired = 0;
    clock.after(10, () => {
      fired += 1;
    });

    clock.jumpWall(-500);

    expect([clock.nowMs(), clock.monotonicMs(), fired]).toEqual([500, 0, 0]);
    clock.advance(10);
    expect([clock.nowMs(), clock.monotonicMs(), fired]).toEqual([510, 10, 1]);
  });

  it("lets a sleeper go on after its time", async () => {
    const clock = new SimulatedClock();
    let isAwake = false;
    const sleeper = sleep(clock, 50).then(() => {
      isAwake = true;
    });

    clock.advance(49);
    await Promise.resolve();
    expect(isAwake).toBe(false);

    clock.advance(1);
    await sleeper;
    expect(isAwake).toBe(true);
  });
});
