import { describe, expect, it } from "vitest";
import { waitUntil } from "../../support/wait-until.ts";
import { submit } from "../api/api-harness.ts";
import { containing, createCli, parsed, parsedLines } from "./cli-harness.ts";

describe("figures", () => {
  it("show the slowest tasks and the percentiles", async () => {
    const cli = createCli();
    for (const durationMs of [100, 2_000, 65_000]) {
      await submit(cli.harness, { title: `takes ${durationMs} ms` });
      await cli.harness.work({ durationMs });
    }

    const slowest = await cli.run("bottlenecks", "--slowest", "2");
    expect(slowest.stdout).toMatchInlineSnapshot(`
      "3 attempts within 1 d: 3 passed

      WHERE                                  ATTEMPTS  RUN P50  RUN P95  RUN P99  WAIT P50  WAIT P95  WAIT P99
      shell on n_01hf7yat00e0br7xrzrkx1d7jy         3    2.0 s  1 m 5 s  1 m 5 s      0 ms      0 ms      0 ms
      all                                           3    2.0 s  1 m 5 s  1 m 5 s      0 ms      0 ms      0 ms

      Slowest
      TASK                          TRY      RAN  WAITED  OUTCOME    ENDED  TITLE
      t_01hf7yat00e0br7xs13p6tdfsd    1  1 m 5 s    0 ms  passed   0 s ago  takes 65000 ms
      t_01hf7yat00e0br7xs0vxvnp1cn    1    2.0 s    0 ms  passed   0 s ago  takes 2000 ms
      "
    `);
    expect(parsed((await cli.run("bottlenecks", "--json", "--since", "1h")).stdout)).toMatchObject({
      windowMs: 3_600_000,
      attempts: 3,
    });
    expect((await cli.run("metrics")).stdout).toMatchInlineSnapshot(`
      "Attempts that ended within the last 1 h
      NODE  RUNNING  ENDED  PER MINUTE   PASSED  RUN P50  RUN P95  RUN P99  WAIT P50  WAIT P95  WAIT P99  TOKENS     COST
      box         0      3         0.1  100.0 %    2.0 s  1 m 5 s  1 m 5 s      0 ms      0 ms      0 ms       0  $0.0000
      Rate: 0.05 per second over 1 m, 0.01 per second over 5 m, 0.00 per second over 1 h
      "
    `);
    expect(await cli.run("metrics", "--node", "nobody")).toMatchObject({
      exit: 1,
      stderr: containing("drover node list"),
    });
  });

  it("of an empty queue say so", async () => {
    const cli = createCli();

    expect(await cli.run("bottlenecks")).toMatchObject({
      exit: 0,
      stdout: "",
      stderr: containing("--since 7d"),
    });
  });
});

describe("events", () => {
  it("are the latest ones, the oldest first", async () => {
    const cli = createCli();
    const id = await submit(cli.harness);
    await cli.harness.work();

    const all = await cli.run("events", "--json");
    const last = await cli.run("events", "--tail", "1");

    expect(parsedLines(all.stdout).map((event) => event["kind"])).toEqual([
      "task.submitted",
      "task.started",
      "task.done",
    ]);
    expect(last.stdout).toMatch(new RegExp(`^2023-11-14 22:13:20Z {2}task\\.done {9}${id}`));
    expect(last.stdout.trim().split("\n")).toHaveLength(1);
  });

  it("--follow goes on across a lost connection without losing or repeating any, until interrupted", async () => {
    const resumed: (string | null)[] = [];
    const cut = new AbortController();
    const cli = createCli({
      environment: {
        fetch: async (url, init) => {
          const response = await cli.harness.api.app.request(url, init, {});
          const headers = new Headers(init.headers);
          if (headers.get("accept") !== "text/event-stream") return response;
          resumed.push(headers.get("last-event-id"));
          const through = new TransformStream<Uint8Array, Uint8Array>();
          const signal = resumed.length === 1 ? cut.signal : new AbortController().signal;
          void response.body?.pipeTo(through.writable, { signal }).catch(() => undefined);
          return new Response(through.readable);
        },
      },
    });
    const lines = () => parsedLines(seen.stdout()).map((event) => `${String(event["seq"])} ${String(event["kind"])}`);
    await submit(cli.harness, { title: "one" });
    const { done, seen, interrupt } = cli.start("events", "--follow", "--json", "--tail", "5");
    await waitUntil("the stream is open", () => resumed.length === 1);
    await cli.harness.work();
    await waitUntil("the next are printed", () => lines().length === 3);

    cut.abort();
    await waitUntil("the loss is seen", () => seen.stderr().includes("connecting again"));
    await submit(cli.harness, { title: "two" });
    await waitUntil("what happened meanwhile is printed", () => {
      cli.harness.clock.advance(100);
      return lines().length === 4;
    });
    interrupt();

    expect((await done).exit).toBe(0);
    expect(lines()).toEqual(["1 task.submitted", "2 task.started", "3 task.done", "4 task.submitted"]);
    expect(resumed).toEqual(["1", "3"]);
  });
});
