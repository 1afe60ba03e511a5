import { describe, expect, it } from "vitest";
import { bodyOf, createHarness, submit } from "./api-harness.ts";

describe("the queue", () => {
  it("shows depths per lane and state, ages and keys", async () => {
    const harness = createHarness();
    await submit(harness, { lane: "high" });
    await submit(harness, { lane: "high", runAt: "2099-01-01T00:00:00Z" });
    await submit(harness, { concurrencyKey: "ci" });
    harness.clock.advance(1_500);

    const queue = await bodyOf(await harness.send("GET", "/api/queue"));

    const lanes = queue["lanes"] as { lane: string; counts: Record<string, number>; headReadyAgeMs: number | null }[];
    expect(lanes.map(({ lane }) => lane)).toEqual(["critical", "high", "normal", "low", "background"]);
    expect(lanes[1]).toMatchObject({ counts: { ready: 1, waiting: 1 }, headReadyAgeMs: 1_500 });
    expect(lanes[0]).toMatchObject({ headReadyAgeMs: null });
    expect(queue).toMatchObject({ paused: false, oldestReadyAgeMs: 1_500, totals: { ready: 2, waiting: 1 } });
    expect(queue["keys"]).toMatchObject([{ key: "ci", admitted: 1 }]);
  });

  it("is paused, resumed and drained, and says what still runs", async () => {
    const attempt = { taskId: "t_00000000000000000000000000", attempt: 1, executor: "shell", startedAtMs: 5, pid: 7 };
    // `as`: an id of the right form.
    const harness = createHarness({ ports: { workers: () => [attempt as never] } });

    const paused = await bodyOf(await harness.send("POST", "/api/queue/pause"));
    const again = await bodyOf(await harness.send("POST", "/api/queue/pause"));
    const resumed = await bodyOf(await harness.send("POST", "/api/queue/resume"));
    const drained = await bodyOf(await harness.send("POST", "/api/queue/drain"));

    expect([paused["changed"], again["changed"]]).toEqual([true, false]);
    expect(resumed).toEqual({ paused: false, changed: true });
    expect(drained).toEqual({ paused: true, changed: true, running: [attempt] });
  });
});

describe("keys", () => {
  it("get their limits as a whole and are listed with them", async () => {
    const harness = createHarness();

    const set = await bodyOf(await harness.send("PUT", "/api/keys/deploy%2Fprod", { maxConcurrent: 1, weight: 2 }));
    const listed = await bodyOf(await harness.send("GET", "/api/keys"));

    const policy = { maxConcurrent: 1, ratePerSecond: null, burst: 1, weight: 2, paused: false };
    expect(set).toEqual({ key: "deploy/prod", running: 0, admitted: 0, policy });
    expect(listed["items"]).toEqual([set]);
  });

  it.each([[{ maxConcurrent: -1 }], [{ ratePerSecond: 0 }], [{ wait: 1 }], [{ burst: 0.5 }], [[]]])(
    "refuse %j",
    async (policy) => {
      const harness = createHarness();

      const response = await harness.send("PUT", "/api/keys/a", policy);

      expect(response.status).toBe(400);
      expect(await bodyOf(await harness.send("GET", "/api/keys"))).toEqual({ items: [] });
    },
  );
});

describe("schedules", () => {
  it("are added with their next time, listed and removed", async () => {
    const harness = createHarness();

    const added = await harness.send("POST", "/api/schedules", {
      name: "nightly",
      cron: "0 3 * * *",
      task: { title: "backup", command: ["true"] },
    });
    const schedule = await bodyOf(added);
    const listed = await bodyOf(await harness.send("GET", "/api/schedules"));
    const removed = await harness.send("DELETE", `/api/schedules/${String(schedule["id"])}`);
    const again = await harness.send("DELETE", `/api/schedules/${String(schedule["id"])}`);

    expect(added.status).toBe(201);
    expect(schedule).toMatchObject({ name: "nightly", timezone: "UTC", overlap: "skip", task: { title: "backup" } });
    expect(Number(schedule["nextAtMs"])).toBeGreaterThan(harness.clock.nowMs());
    expect(listed["items"]).toEqual([schedule]);
    expect([removed.status, again.status]).toEqual([200, 404]);
  });

  it.each([
    [{ name: "n", cron: "61 * * * *", task: { title: "t", command: ["true"] } }, 400],
    [{ name: "n", cron: "0 3 30 2 *", task: { title: "t", command: ["true"] } }, 400],
    [{ name: "n", cron: "0 3 * * *", timezone: "Mars/Base", task: { title: "t", command: ["true"] } }, 400],
    [{ name: "n", cron: "0 3 * * *", task: { title: "t", prompt: "think" } }, 422],
    [{ name: "n", cron: "0 3 * * *", task: { title: "t", command: ["true"], ref: "a" } }, 400],
  ])("refuse %j", async (schedule, status) => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/schedules", schedule);

    expect(response.status).toBe(status);
    expect(await bodyOf(await harness.send("GET", "/api/schedules"))).toEqual({ items: [] });
  });
});

describe("figures", () => {
  it("name slow tasks, and percentiles per node and executor", async () => {
    const harness = createHarness();
    for (const durationMs of [10, 20, 3_000]) {
      await submit(harness, { title: `takes ${durationMs}` });
      harness.clock.advance(7);
      await harness.work({ durationMs });
    }

    const report = await bodyOf(await harness.send("GET", "/api/bottlenecks?window=1h&limit=1"));

    expect(report).toMatchObject({
      windowMs: 3_600_000,
      isWhole: true,
      attempts: 3,
      durationMs: { count: 3, p50: 20, p99: 3_000 },
      waitMs: { p50: 7 },
      outcomes: { passed: 3 },
      groups: [{ node: harness.node, executor: "shell", attempts: 3 }],
      slowest: [{ title: "takes 3000", durationMs: 3_000 }],
    });
  });

  it("are given per node, also for one that did nothing", async () => {
    const harness = createHarness();
    await submit(harness);
    const idle = await bodyOf(await harness.send("GET", "/api/metrics"));
    await harness.work();

    const busy = await bodyOf(await harness.send("GET", "/api/metrics?node=box"));
    const unknown = await harness.send("GET", "/api/metrics?node=nowhere");

    expect(idle["nodes"]).toMatchObject([
      { node: harness.node, name: "box", attempts: 0, passedRatio: null, running: 0 },
    ]);
    expect(busy["nodes"]).toMatchObject([{ attempts: 1, passedRatio: 1, outcomes: { passed: 1 } }]);
    expect(unknown.status).toBe(404);
  });

  it("are given to Prometheus with each attempt counted once, however often it asks", async () => {
    const harness = createHarness();
    await submit(harness, { lane: "high" });
    await harness.work();
    await submit(harness);

    await harness.send("GET", "/metrics");
    const response = await harness.send("GET", "/metrics");

    const text = await response.text();
    expect(response.headers.get("content-type")).toContain("version=0.0.4");
    expect(text).toContain('drover_tasks{lane="high",state="done"} 1\n');
    expect(text).toContain('drover_tasks{lane="normal",state="ready"} 1\n');
    expect(text).toContain('drover_attempts_total{outcome="passed"} 1\n');
    expect(text).toContain('drover_attempt_duration_seconds_count{executor="shell",outcome="passed"} 1\n');
    expect(text).toContain('drover_http_requests_total{method="POST",route="/api/tasks",status="201"} 2\n');
    expect(text).toContain('drover_build_info{version="1.2.3",commit="0123abc"} 1\n');
  });
});

describe("the node", () => {
  it("shows itself, its fleet and its settings", async () => {
    const harness = createHarness();

    const node = await bodyOf(await harness.send("GET", "/api/node"));
    const nodes = await bodyOf(await harness.send("GET", "/api/nodes"));
    const config = await bodyOf(await harness.send("GET", "/api/config"));

    expect(node).toMatchObject({ id: harness.node, ready: true, executors: ["shell"], storage: { freeDiskBytes: 3 } });
    expect(nodes["nodes"]).toMatchObject([{ id: harness.node, isSelf: true }]);
    expect(config["entries"]).toEqual([{ name: "http.port", value: 7_433, origin: "default" }]);
  });

  it("writes a backup where it is told, by an absolute path", async () => {
    const harness = createHarness();

    const own = await harness.send("POST", "/api/backup");
    const named = await bodyOf(await harness.send("POST", "/api/backup", { file: "/tmp/a.db" }));
    const relative = await harness.send("POST", "/api/backup", { file: "a.db" });

    expect([own.status, relative.status]).toEqual([201, 400]);
    expect(named).toMatchObject({ file: "/tmp/a.db" });
  });

  it("is asked to stop once per call, with drain unless told otherwise", async () => {
    const harness = createHarness();

    const drain = await harness.send("POST", "/api/shutdown");
    const now = await harness.send("POST", "/api/shutdown", { mode: "now" });
    const wrong = await harness.send("POST", "/api/shutdown", { mode: "later" });

    expect([drain.status, now.status, wrong.status]).toEqual([202, 202, 400]);
    expect(harness.shutdowns).toEqual(["drain", "now"]);
  });
});
