import { describe, expect, it } from "vitest";
import { bodyOf, createHarness } from "./api-harness.ts";

describe("the mind over HTTP", () => {
  it("says its state, and what it was told", async () => {
    const harness = createHarness();

    const response = await harness.send("GET", "/api/hub/state");

    expect(response.status).toBe(200);
    expect(await bodyOf(response)).toMatchObject({
      node: harness.node,
      isEnabled: true,
      problem: null,
      state: "resting",
      pause: null,
      hold: null,
      faults: [],
      work: { readyGoals: 0, readyTasks: 0 },
      seq: 0,
    });
  });

  it("is paused for a time and resumed, and refuses what does not fit", async () => {
    const harness = createHarness();

    const paused = await harness.send("POST", "/api/hub/pause", { by: "gertrude", reason: "disks", forMs: 60_000 });
    const again = await harness.send("POST", "/api/hub/pause", {});
    const forced = await harness.send("POST", "/api/hub/force", { to: "healing" });
    const resumed = await harness.send("POST", "/api/hub/resume");
    const released = await harness.send("POST", "/api/hub/release");

    expect(await bodyOf(paused)).toMatchObject({ state: "resting", pause: { by: "gertrude", reason: "disks" } });
    expect([paused, again, forced, resumed, released].map(({ status }) => status)).toEqual([200, 409, 409, 200, 409]);
    expect(await bodyOf(resumed)).toMatchObject({ pause: null });
    expect(await bodyOf(released)).toMatchObject({ detail: "the mind is not on hold" });
  });

  it.each([
    ["pause", { forMs: 0 }],
    ["pause", { forMs: 8 * 24 * 3_600_000 }],
    ["pause", { reason: "x".repeat(501) }],
    ["force", { to: "dreaming" }],
    ["force", {}],
    ["resume", { by: "" }],
  ])("refuses %s with %j", async (action, body) => {
    const response = await createHarness().send("POST", `/api/hub/${action}`, body);

    expect(response.status).toBe(400);
  });

  it("gives its history in pages, the newest first", async () => {
    const harness = createHarness();
    await harness.send("POST", "/api/hub/force", { to: "improving", reason: "a look" });
    await harness.send("POST", "/api/hub/pause", {});
    await harness.send("POST", "/api/hub/resume", {});

    const first = await bodyOf(await harness.send("GET", "/api/hub/history?limit=3"));
    const cursor = String(first["nextCursor"]);
    const second = await bodyOf(await harness.send("GET", `/api/hub/history?limit=3&cursor=${cursor}`));

    // A pause takes it to rest first.
    expect(first["items"]).toMatchObject([
      { seq: 4, kind: "resumed" },
      { seq: 3, kind: "paused" },
      { seq: 2, kind: "changed", detail: { from: "improving", to: "resting", cause: "paused" } },
    ]);
    expect(second).toMatchObject({
      items: [{ seq: 1, by: "operator", detail: { to: "improving", reason: "a look" } }],
      nextCursor: null,
    });
  });

  it("shows itself to a scraper", async () => {
    const harness = createHarness();
    await harness.send("POST", "/api/hub/pause", {});

    const text = await (await harness.send("GET", "/metrics")).text();

    expect(text).toContain('drover_mind_state{state="resting"} 1');
    expect(text).toContain('drover_mind_halted{why="paused"} 1');
  });

  it("says by which rules it decides", async () => {
    const rules = await bodyOf(await createHarness().send("GET", "/api/hub/rules"));

    expect(rules["states"]).toContainEqual({
      state: "healing",
      atLeastMs: 15_000,
      atMostMs: 300_000,
      entriesPerPeriod: 8,
    });
  });
});
