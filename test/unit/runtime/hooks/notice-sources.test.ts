import { describe, expect, it } from "vitest";
import { ok, present, silentLogger } from "#base";
import type { FleetNode } from "#fleet";
import type { Notice } from "#hooks";
import { followSources, noticeOfAlert, noticeOfEvent } from "../../../../src/runtime/hooks/notice-sources.ts";
import { createHarness, PASSED, submit, valueOf } from "../../api/api-harness.ts";

function world() {
  const harness = createHarness();
  const told: Notice[] = [];
  const positions = new Map<string, number>();
  const nodes: FleetNode[] = [];
  const releases: { history: readonly Record<string, unknown>[] } = { history: [] };
  const begin = (isLeader = true): (() => void) =>
    followSources({
      notices: { notify: (notice) => void told.push(notice) },
      outbox: {
        position: (name) => ok(positions.get(name)),
        setPosition: (name, seq) => {
          positions.set(name, seq);
          return ok(undefined);
        },
      },
      store: harness.store,
      isLeader,
      nodeName: "box",
      self: harness.node,
      nodes: () => nodes,
      leaseMs: 60_000,
      releases: async () => ok({ history: releases.history as never }),
      clock: harness.clock,
      logger: silentLogger,
    });
  const dies = async (title: string): Promise<string> => {
    const id = await submit(harness, { title, maxAttempts: 1 });
    await harness.work({ ...PASSED, outcome: "failed", error: "exit code 1" });
    return id;
  };
  const turns = async (): Promise<void> => {
    for (let n = 0; n < 30; n += 1) await Promise.resolve();
  };
  return { harness, told, positions, nodes, releases, begin, dies, turns };
}

describe("what is to be told", () => {
  it("is each dead letter from now on, also those that died while nobody told it, each under one key", async () => {
    const { harness, told, begin, dies, turns } = world();
    await dies("before there was a channel");
    const end = begin();
    await turns();
    const id = await dies("Run the tests");
    await turns();
    end();
    await dies("while the node was away");

    const endAgain = begin();
    await turns();
    endAgain();

    expect(told.map(({ title }) => title)).toEqual([
      "Dead letter: Run the tests",
      "Dead letter: while the node was away",
    ]);
    expect(told[0]).toMatchObject({ kind: "task.dead", severity: "warning", subject: id });
    expect(told[0]?.key).toMatch(/^event:\d+$/);
    expect(present((await harness.store.eventRange()).ok, "events can be read")).toBe(true);
  });

  it("is nothing of the fleet's on a node that follows a hub", async () => {
    const { told, begin, dies, turns } = world();
    const end = begin(false);
    await dies("a task");
    await turns();
    end();

    expect(told).toEqual([]);
  });

  it("is an alert of another node, and one of this node by itself alone", async () => {
    const { harness, told, begin, turns } = world();
    const end = begin();
    await turns();
    const data = { id: 1, key: "disk", severity: "critical", title: "Disk is full", message: "free some", source: "x" };
    valueOf(await harness.queue.announce("alert.raised", { ...data, node: "rack" }));
    valueOf(await harness.queue.announce("alert.raised", { ...data, node: "box" }));
    await turns();
    end();

    expect(told).toMatchObject([
      { kind: "alert.raised", severity: "critical", title: "Disk is full", subject: "disk" },
    ]);
    const alert = { ...data, severity: "critical" as const, state: "resolved" as const };
    const times = { raisedAtMs: 1, changedAtMs: 2, seenAtMs: 2, resolvedAtMs: 2 };
    const rest = { acknowledgedBy: null, acknowledgedAtMs: null, note: null };
    expect(noticeOfAlert({ change: "resolved", alert: { ...alert, ...times, ...rest } })).toMatchObject({
      kind: "alert.resolved",
      severity: "info",
      key: "alert:1:resolved:2",
    });
    expect(noticeOfAlert({ change: "acknowledged", alert: { ...alert, ...times, ...rest } })).toBeUndefined();
  });

  it.each([
    [{ from: "executing", state: "complete" }, "goal.complete", "info"],
    [{ from: "executing", state: "failed", code: "tasks", why: "two tasks are dead" }, "goal.failed", "warning"],
    [{ from: "executing", state: "executing", paused: "budget" }, "goal.paused", "warning"],
    [{ from: "submitted", state: "decomposing" }, undefined, undefined],
  ])("is a goal that ends or waits: %j", (data, kind, severity) => {
    const event = { seq: 7, atMs: 1, kind: "goal.changed" as const, taskId: null, data: { goal: "g_1", ...data } };

    const told = noticeOfEvent(event, "box");

    expect([told?.kind, told?.severity]).toEqual([kind, severity]);
  });

  it("is a node that went silent, once, and its return; not one that may sleep", async () => {
    const { harness, told, nodes, begin, turns } = world();
    // `as`: only what is looked at.
    const node = (id: string, leaseClass: string): FleetNode =>
      ({ id, name: id, state: "active", leaseClass, seenAtMs: harness.clock.nowMs() }) as unknown as FleetNode;
    nodes.push(node("rack", "strict"), node("laptop", "hold"));
    const end = begin();
    harness.clock.advance(180_000);
    await turns();
    nodes.splice(0, 2, node("rack", "strict"), node("laptop", "hold"));
    harness.clock.advance(15_000);
    end();

    expect(told.map(({ kind, subject, severity }) => `${kind} ${subject} ${severity}`)).toEqual([
      "node.offline rack warning",
      "node.online rack info",
    ]);
  });

  it("is an update that was rolled back, not one of last week", async () => {
    const { harness, told, releases, begin, turns } = world();
    const nowMs = harness.clock.nowMs();
    const row = {
      id: "u2",
      version: "1.3.0",
      from: "1.2.0",
      result: "rolledBack",
      reason: "it hung",
      endedAtMs: nowMs,
    };
    releases.history = [
      { ...row, id: "u1", endedAtMs: nowMs - 7 * 86_400_000 },
      row,
      { ...row, id: "u3", result: "committed" },
    ];
    const end = begin();
    await turns();
    harness.clock.advance(15_000);
    await turns();
    end();

    expect(told).toMatchObject([
      {
        kind: "update.rolledBack",
        severity: "critical",
        key: "release:u2",
        title: "The update to 1.3.0 was rolled back",
      },
    ]);
  });
});
