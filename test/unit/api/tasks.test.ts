import { describe, expect, it } from "vitest";
import { taskSpecOf } from "#api";
import { parseTaskId } from "#base";
import { anyText, bodyOf, containing, createHarness, submit, valueOf } from "./api-harness.ts";

describe("submitting", () => {
  it("answers 201 with the task as it was stored", async () => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/tasks", {
      title: "Run the tests",
      command: ["npm", "test"],
      lane: "high",
      labels: { team: "core" },
      concurrencyKey: "ci",
      env: { API_TOKEN: "s3cret", MODE: "fast" },
    });

    const task = await bodyOf(response);
    expect(response.status).toBe(201);
    expect(task).toMatchObject({
      title: "Run the tests",
      state: "ready",
      lane: "high",
      key: "ci",
      labels: { team: "core" },
      attempts: [],
      maxAttempts: 3,
      env: { API_TOKEN: "[redacted]", MODE: "fast" },
      waitingFor: { code: "turn" },
      result: null,
    });
    expect(response.headers.get("location")).toBe(`/api/tasks/${String(task["id"])}`);
  });

  it("takes an array as one batch in which refs name each other", async () => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/tasks", [
      { title: "deploy", command: ["true"], dependsOn: ["build"] },
      { title: "build", command: ["true"], ref: "build" },
    ]);

    const { tasks } = await bodyOf(response);
    const [deploy, build] = tasks as { id: string; ref: string | null; created: boolean }[];
    const stored = await bodyOf(await harness.send("GET", `/api/tasks/${deploy?.id}`));
    expect(response.status).toBe(201);
    expect(build).toMatchObject({ ref: "build", created: true });
    expect(stored).toMatchObject({ state: "waiting", dependsOn: [build?.id], waitingFor: { code: "dependencies" } });
  });

  it("answers 200 with the same task when an idempotency key is repeated, and 409 when the body differs", async () => {
    const harness = createHarness();
    const task = { title: "once", command: ["true"] };

    const first = await harness.send("POST", "/api/tasks", task, { "idempotency-key": "k1" });
    const again = await harness.send("POST", "/api/tasks", task, { "idempotency-key": "k1" });
    const other = await harness.send("POST", "/api/tasks", { ...task, title: "other" }, { "idempotency-key": "k1" });

    expect([first.status, again.status, other.status]).toEqual([201, 200, 409]);
    expect((await bodyOf(again))["id"]).toBe((await bodyOf(first))["id"]);
    expect(await bodyOf(other)).toMatchObject({ code: "conflict", status: 409, remedy: anyText });
  });

  it("takes the key in the header or in the body as the same, and refuses two that differ", async () => {
    const harness = createHarness();
    const task = { title: "once", command: ["true"] };

    const byHeader = await harness.send("POST", "/api/tasks", task, { "idempotency-key": "k1" });
    const byField = await harness.send("POST", "/api/tasks", { ...task, idempotencyKey: "k1" });
    const asBatch = await harness.send("POST", "/api/tasks", [task], { "idempotency-key": "k1" });
    const both = await harness.send(
      "POST",
      "/api/tasks",
      { ...task, idempotencyKey: "k2" },
      { "idempotency-key": "k1" },
    );

    expect([byHeader.status, byField.status, asBatch.status, both.status]).toEqual([201, 200, 409, 400]);
    expect((await bodyOf(byField))["id"]).toBe((await bodyOf(byHeader))["id"]);
  });

  it("recognises a repeated batch with refs by its key, and refuses one that grew", async () => {
    const harness = createHarness();
    const batch = [
      { title: "a", command: ["true"], ref: "a" },
      { title: "b", command: ["true"], dependsOn: ["a"] },
    ];
    const key = { "idempotency-key": "nightly" };

    const first = await harness.send("POST", "/api/tasks", batch, key);
    const again = await harness.send("POST", "/api/tasks", batch, key);
    const grown = await harness.send("POST", "/api/tasks", [...batch, { title: "c", command: ["true"] }], key);

    const ids = async (response: Response) =>
      ((await bodyOf(response))["tasks"] as { id: string }[]).map(({ id }) => id);
    expect([first.status, again.status, grown.status]).toEqual([201, 200, 409]);
    expect(await ids(again)).toEqual(await ids(first));
  });

  it.each([
    ["an unknown field", { titel: "x" }, "titel", 'did you mean "title"?'],
    [
      "an unknown field of a check",
      { verify: [{ kind: "file_exists", path: "a", pth: "b" }] },
      "verify.0.pth",
      '"path"',
    ],
    ["a wrong type", { command: "npm test" }, "command", "array"],
    ["a lane that is none", { lane: "urgent" }, "lane", "must be one of critical"],
    ["no title", { title: undefined }, "title", "is missing"],
    ["a check that is none", { verify: [{ kind: "file_exist" }] }, "verify.0.kind", "file_exists"],
    ["too long a title", { title: "x".repeat(201) }, "title", "200"],
    [
      "too many labels",
      { labels: Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`l${i}`, "v"])) },
      "labels",
      "32",
    ],
    ["a time that is none", { runAt: "tomorrow" }, "runAt", "ISO"],
    ["a dependency that is none", { dependsOn: ["nothing"] }, "dependsOn.0", "neither"],
    ["retry delays the wrong way round", { retry: { baseMs: 2_000, maxMs: 1_000 } }, "retry", "baseMs"],
  ])("refuses %s, names the field and changes nothing", async (_what, fields, path, reason) => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/tasks", { title: "t", command: ["true"], ...fields });

    const problem = await bodyOf(response);
    const faults = problem["errors"] as { path: string; reason: string }[];
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(faults.map((fault) => fault.path)).toContain(path);
    expect(faults.find((fault) => fault.path === path)?.reason).toContain(reason);
    expect(valueOf(await harness.store.eventRange()).lastSeq).toBe(0);
  });

  it("refuses a whole batch for one bad task and names its index", async () => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/tasks", [
      { title: "good", command: ["true"] },
      { title: "bad", command: ["true"], lanes: "high" },
    ]);

    expect(response.status).toBe(400);
    expect(await bodyOf(response)).toMatchObject({
      errors: [{ path: "1.lanes", reason: containing('"lane"') }],
    });
    expect(valueOf(await harness.store.eventRange()).lastSeq).toBe(0);
  });

  it.each([
    [
      "a batch whose tasks depend on each other in a circle",
      [
        { title: "a", command: ["true"], ref: "a", dependsOn: ["b"] },
        { title: "b", command: ["true"], ref: "b", dependsOn: ["a"] },
      ],
      400,
    ],
    ["an empty batch", [], 400],
    [
      "a batch with one ref twice",
      [
        { title: "a", command: ["true"], ref: "a" },
        { title: "b", command: ["true"], ref: "a" },
      ],
      400,
    ],
    ["a batch of more than a thousand", Array.from({ length: 1_001 }, () => ({ title: "a", command: ["true"] })), 400],
    ["a task for a model, where no executor runs one", { title: "a", prompt: "think" }, 422],
    ["a task with nothing to do", { title: "a" }, 422],
    [
      "a task larger than its limit",
      {
        title: "a",
        command: ["true"],
        context: { notes: "n".repeat(130_000), files: [] },
        prompt: "p".repeat(131_000),
        successCriteria: ["c".repeat(4_000)],
      },
      413,
    ],
  ])("refuses %s", async (_what, body, status) => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/tasks", body);

    expect(response.status).toBe(status);
    expect(await bodyOf(response)).toMatchObject({ status, detail: anyText, title: anyText });
    expect(valueOf(await harness.store.eventRange()).lastSeq).toBe(0);
  });

  it("refuses a task that depends on one that does not exist", async () => {
    const harness = createHarness();

    const response = await harness.send("POST", "/api/tasks", {
      title: "a",
      command: ["true"],
      dependsOn: [harness.ids.task()],
    });

    expect(response.status).toBe(400);
    expect((await bodyOf(response))["detail"]).toContain("does not exist");
  });

  it("stores a body from which the executor's part is read back without the queue's fields", async () => {
    const harness = createHarness();
    const id = await submit(harness, { lane: "low", labels: { a: "b" }, verify: [{ kind: "git_clean" }] });

    const record = valueOf(await harness.store.find(id));

    expect(valueOf(taskSpecOf(record?.body ?? ""))).toEqual({
      title: "a task",
      executor: "auto",
      command: ["true"],
      verify: [{ kind: "git_clean" }],
    });
  });
});

describe("reading and steering", () => {
  it("lists the newest first, filters, and pages by cursor", async () => {
    const harness = createHarness();
    const first = await submit(harness, { labels: { team: "core" } });
    const second = await submit(harness, { lane: "high" });
    const third = await submit(harness);

    const page = await bodyOf(await harness.send("GET", "/api/tasks?limit=2"));
    const rest = await bodyOf(await harness.send("GET", `/api/tasks?limit=2&cursor=${String(page["nextCursor"])}`));
    const high = await bodyOf(await harness.send("GET", "/api/tasks?lane=high&state=ready,waiting"));
    const labelled = await bodyOf(await harness.send("GET", "/api/tasks?label=team%3Dcore"));

    const ids = (body: Record<string, unknown>) => (body["items"] as { id: string }[]).map(({ id }) => id);
    expect(ids(page)).toEqual([third, second]);
    expect(ids(rest)).toEqual([first]);
    expect(rest["nextCursor"]).toBeNull();
    expect(ids(high)).toEqual([second]);
    expect(ids(labelled)).toEqual([first]);
  });

  it.each([
    ["/api/tasks?state=sleeping", "state.0"],
    ["/api/tasks?limit=0", "limit"],
    ["/api/tasks?limit=many", "limit"],
    ["/api/tasks?lan=high", "lan"],
    ["/api/tasks?lane=high&lane=low", "lane"],
    ["/api/bottlenecks?window=1y", "window"],
  ])("refuses the query of %s with a fault at %s", async (path, field) => {
    const harness = createHarness();

    const response = await harness.send("GET", path);

    expect(response.status).toBe(400);
    expect((await bodyOf(response))["errors"]).toMatchObject([{ path: field }]);
  });

  it("refuses a cursor it did not give", async () => {
    const response = await createHarness().send("GET", "/api/tasks?cursor=x");

    expect(response.status).toBe(400);
  });

  it("shows attempts, result and report of a task that was done", async () => {
    const harness = createHarness();
    const id = await submit(harness);
    await harness.work();

    const task = await bodyOf(await harness.send("GET", `/api/tasks/${id}`));

    expect(task).toMatchObject({
      state: "done",
      attemptCount: 1,
      result: { exitCode: 0 },
      attempts: [{ n: 1, outcome: "passed", durationMs: 40, report: { passed: true }, error: null }],
      waitingFor: null,
    });
  });

  it("cancels a waiting task at once and asks a running one to stop", async () => {
    const harness = createHarness();
    const running = await submit(harness);
    await harness.claim();
    const ready = await submit(harness);

    const first = await bodyOf(await harness.send("POST", `/api/tasks/${ready}/cancel`, { reason: "not needed" }));
    const second = await bodyOf(await harness.send("POST", `/api/tasks/${running}/cancel`));

    expect(first).toMatchObject({ state: "cancelled", reason: { code: "cancelled", text: "not needed" } });
    expect(second).toMatchObject({ state: "running", cancelRequested: true });
  });

  it("answers 409 with what to do when the state does not allow it, and 404 for what is not there", async () => {
    const harness = createHarness();
    const id = await submit(harness);
    await harness.work();

    const conflict = await harness.send("POST", `/api/tasks/${id}/retry`);
    const missing = await harness.send("GET", `/api/tasks/${harness.ids.task()}`);
    const malformed = await harness.send("GET", "/api/tasks/1");

    expect(conflict.status).toBe(409);
    expect(await bodyOf(conflict)).toMatchObject({ remedy: containing("Submit it again") });
    expect([missing.status, malformed.status]).toEqual([404, 404]);
  });

  it("gives the history of one task in order", async () => {
    const harness = createHarness();
    const id = await submit(harness);
    await submit(harness);
    await harness.work();

    const page = await bodyOf(await harness.send("GET", `/api/tasks/${id}/events`));

    const events = page["events"] as { kind: string; taskId: string }[];
    expect(events.map(({ kind }) => kind)).toEqual(["task.submitted", "task.started", "task.done"]);
    expect(new Set(events.map(({ taskId }) => taskId))).toEqual(new Set([id]));
  });

  it("gives a log in parts and says where to go on", async () => {
    const log = new TextEncoder().encode("hello world");
    const harness = createHarness({
      ports: {
        readLog: async (_id, attempt, offset, maxBytes) => ({
          ok: true,
          value:
            attempt === 1 ? { bytes: log.subarray(offset, Math.min(offset + maxBytes, 8)), sizeBytes: 11 } : undefined,
        }),
      },
    });
    const id = await submit(harness);
    await harness.claim();

    const part = await harness.send("GET", `/api/tasks/${id}/log?offset=2`);
    const none = await harness.send("GET", `/api/tasks/${id}/log?attempt=2`);

    expect(await part.text()).toBe("llo wo");
    expect(part.headers.get("x-next-offset")).toBe("8");
    expect(part.headers.get("x-log-size")).toBe("11");
    expect(part.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(none.status).toBe(404);
  });
});

describe("dead letters", () => {
  it("are listed with their reason, redriven with a fresh budget, and dropped", async () => {
    const harness = createHarness();
    const id = await submit(harness, { maxAttempts: 1 });
    await harness.work({ outcome: "failed", error: "exit 1", result: null });

    const listed = await bodyOf(await harness.send("GET", "/api/dead"));
    const redriven = await bodyOf(await harness.send("POST", `/api/dead/${id}/redrive`));
    await harness.work({ outcome: "failed", error: "exit 1", result: null });
    const shown = await bodyOf(await harness.send("GET", `/api/dead/${id}`));
    const dropped = await harness.send("DELETE", `/api/dead/${id}`);
    const gone = await harness.send("GET", `/api/tasks/${id}`);

    expect(listed["items"]).toMatchObject([{ id, reason: { code: "attempts_exhausted" } }]);
    expect(redriven).toMatchObject({ state: "ready", attemptLimit: 2 });
    expect(shown).toMatchObject({ state: "dead", attemptCount: 2 });
    expect([dropped.status, gone.status]).toEqual([200, 404]);
  });

  it("are not the tasks that live: those are refused with 409", async () => {
    const harness = createHarness();
    const id = await submit(harness);

    const answers = [
      await harness.send("GET", `/api/dead/${id}`),
      await harness.send("POST", `/api/dead/${id}/redrive`),
      await harness.send("DELETE", `/api/dead/${id}`),
    ];

    expect(answers.map((answer) => answer.status)).toEqual([409, 409, 409]);
    expect(parseTaskId(id)).toBe(id);
  });
});
