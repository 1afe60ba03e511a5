import { describe, expect, it } from "vitest";
import type { QueueEvent } from "#queue";
import { ToldEvents } from "../../../../src/store/replica/told-events.ts";

/** Events of one hub; `branch` tells those of two hubs apart that have the same numbers. */
function events(from: number, to: number, branch = 0): QueueEvent[] {
  return Array.from({ length: to - from + 1 }, (_, n) => ({
    seq: from + n,
    atMs: 1_000 * branch + from + n,
    kind: "queue.paused",
    taskId: null,
    data: {},
  }));
}

describe("what listeners were told", () => {
  it("goes on after the latest one", () => {
    const told = new ToldEvents(events(1, 3));
    told.add(events(4, 9));

    expect(told.seq).toBe(9);
  });

  it("goes on there too when the copy was made anew from the same hub", () => {
    const told = new ToldEvents(events(1, 9));

    told.resume(events(1, 20));

    expect(told.seq).toBe(9);
  });

  it("tells from where the histories part, when a promoted hub gave the same numbers to other events", () => {
    const told = new ToldEvents(events(1, 9));

    told.resume([...events(1, 6), ...events(7, 12, 1)]);
    const first = told.seq;
    told.add(events(7, 12, 1));

    expect(first).toBe(6);
    expect(told.seq).toBe(12);
  });

  it("goes back to the end of a hub that has less", () => {
    const told = new ToldEvents(events(1, 9));

    told.resume(events(1, 4));

    expect(told.seq).toBe(4);
  });

  it("tells everything it can compare when nothing is common, and no more", () => {
    const told = new ToldEvents(events(1, ToldEvents.KEPT + 50));

    told.resume(events(40, 500, 1));

    expect(told.seq).toBe(50);
  });
});
