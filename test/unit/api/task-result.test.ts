import { describe, expect, it } from "vitest";
import type { ApiPorts, WholeResult } from "#api";
import { err, ok, type Result, retryable } from "#base";
import { bodyOf, createHarness, submit } from "./api-harness.ts";

function world(whole: Result<WholeResult | undefined>) {
  const asked: number[] = [];
  const readResult: ApiPorts["readResult"] = async (_id, attempt) => {
    asked.push(attempt);
    return whole;
  };
  return { harness: createHarness({ ports: { readResult } }), asked };
}

const shortened = { result: { exitCode: 0, whole: { sha256: "ab", bytes: 7 } } };

describe("the result of a task", () => {
  it("is that of the attempt that passed, as it was recorded", async () => {
    const { harness, asked } = world(ok(undefined));
    const id = await submit(harness, { maxAttempts: 2, retry: { baseMs: 1, maxMs: 1 } });
    await harness.work({ outcome: "failed", result: { exitCode: 1 } });
    await harness.queue.retry(id);
    await harness.work();

    const [latest, first] = await Promise.all(
      ["", "?attempt=1"].map(async (query) => bodyOf(await harness.send("GET", `/api/tasks/${id}/result${query}`))),
    );

    expect(latest).toMatchObject({
      id,
      attempt: 2,
      outcome: "passed",
      report: { passed: true },
      result: { exitCode: 0 },
    });
    expect(first).toMatchObject({ attempt: 1, outcome: "failed", result: { exitCode: 1 } });
    expect(asked).toEqual([]);
  });

  it("is the whole one where a shortened one was recorded", async () => {
    const { harness, asked } = world(ok({ report: { passed: true }, result: { exitCode: 0, much: "more" } }));
    const id = await submit(harness);
    await harness.work(shortened);

    const body = await bodyOf(await harness.send("GET", `/api/tasks/${id}/result`));

    expect(body).toMatchObject({ attempt: 1, result: { much: "more" } });
    expect(asked).toEqual([1]);
  });

  it.each([
    ["lost", ok(undefined), 503, "lost"],
    ["on a node that does not answer", err(retryable("unavailable", "it lies on gpu1")), 503, "unavailable"],
  ] as const)("is named when it is %s", async (_where, whole, status, code) => {
    const { harness } = world(whole);
    const id = await submit(harness);
    await harness.work(shortened);

    const response = await harness.send("GET", `/api/tasks/${id}/result`);

    expect([response.status, (await bodyOf(response))["code"]]).toEqual([status, code]);
  });

  it("is not there before there is one, nor of another attempt", async () => {
    const { harness } = world(ok(undefined));
    const id = await submit(harness);

    const before = await harness.send("GET", `/api/tasks/${id}/result`);
    await harness.work();
    const other = await harness.send("GET", `/api/tasks/${id}/result?attempt=2`);

    expect([before.status, other.status]).toEqual([404, 404]);
  });
});
