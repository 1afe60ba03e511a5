import { describe, expect, it } from "vitest";
import { ok, type TaskId } from "#base";
import { waitUntil } from "../../support/wait-until.ts";
import { submit } from "../api/api-harness.ts";
import { type Cli, containing, createCli, parsedLines, type Seen } from "./cli-harness.ts";

/** The simulated clock moves in steps while the command runs, until `look` holds. */
async function advanceUntil(cli: Cli, what: string, look: () => boolean, stepMs = 500): Promise<void> {
  await waitUntil(what, () => {
    if (look()) return true;
    cli.harness.clock.advance(stepMs);
    return false;
  });
}

const says = (seen: Seen, text: string) => () => seen.stderr().includes(text);

describe("task wait", () => {
  it("ends with 0 when all are done, one line per change to a pipe and a table at the end", async () => {
    const cli = createCli();
    const one = await submit(cli.harness, { title: "one" });
    const two = await submit(cli.harness, { title: "two", dependsOn: [one] });
    const { done, seen } = cli.start("task", "wait", one, two);
    await waitUntil("both are seen", says(seen, `${two} waiting`));

    await cli.harness.work();
    await waitUntil("the first is seen to be done", says(seen, `${one} done`));
    await cli.harness.work();
    const outcome = await done;

    expect(outcome.exit).toBe(0);
    expect(
      outcome.stdout
        .split("\n")
        .slice(1, 3)
        .map((line) => line.split(/ {2,}/).slice(0, 2)),
    ).toEqual([
      [one, "done"],
      [two, "done"],
    ]);
    expect(outcome.stderr).toContain(`${two} waiting: waits for one dependency (two)\n`);
  });

  it("ends with 1 when one is dead, and at once when all had ended before", async () => {
    const cli = createCli();
    const one = await submit(cli.harness, { title: "one", maxAttempts: 1 });
    const { done, seen } = cli.start("task", "wait", one);
    await waitUntil("it is seen", says(seen, "ready"));

    await cli.harness.work({ outcome: "failed", error: "no such luck" });

    expect((await done).exit).toBe(1);
    const again = await cli.run("task", "wait", one, "--json");
    expect(again).toMatchObject({ exit: 1, stderr: "" });
    expect(parsedLines(again.stdout)).toMatchObject([{ id: one, state: "dead" }]);
  });

  it("ends with 5 when the time is over, and says what goes on", async () => {
    const cli = createCli();
    const one = await submit(cli.harness, { title: "one" });
    const { done, seen } = cli.start("task", "wait", one, "--timeout", "90s");
    await waitUntil("it is seen", says(seen, "ready"));

    cli.harness.clock.advance(89_000);
    cli.harness.clock.advance(1_000);
    const outcome = await done;

    expect(outcome.exit).toBe(5);
    expect(outcome.stderr).toContain("1 task of 1 has not ended after 1 m 30 s");
    expect(outcome.stderr).toContain(`drover task explain ${one}`);
  });

  it("of a task that does not exist ends at once", async () => {
    const cli = createCli();

    const outcome = await cli.run("task", "wait", "t_000000000000000000000000zz");

    expect(outcome.exit).toBe(1);
    expect(outcome.stderr).toContain("there is no task t_000000000000000000000000zz");
  });

  it("ends when the person interrupts it", async () => {
    const cli = createCli();
    const one = await submit(cli.harness);
    const { done, seen, interrupt } = cli.start("task", "wait", one);
    await waitUntil("it is seen", says(seen, "ready"));

    interrupt();

    expect(await done).toMatchObject({ exit: 1, stderr: containing("interrupted") });
  });

  it("goes on when the node is restarted meanwhile, and learns what happened in between", async () => {
    let isAway = false;
    const cli = createCli({
      environment: {
        fetch: async (url, init) => {
          if (isAway) throw Object.assign(new TypeError("Unable to connect"), { code: "ConnectionRefused" });
          return first.app.request(url, init, {});
        },
      },
    });
    const first = cli.harness.api;
    const one = await submit(cli.harness);
    const { done, seen } = cli.start("task", "wait", one);
    await waitUntil("it is seen", says(seen, "ready"));

    isAway = true;
    first.close();
    await waitUntil("the loss is seen", says(seen, "the connection to the node is lost"));
    await cli.harness.work();
    cli.harness.clock.advance(2_000);
    const { createApi } = await import("#api");
    const { MetricRegistry } = await import("#telemetry");
    const second = createApi({ ...cli.harness.ports, metrics: new MetricRegistry() }, { hosts: [] });
    Object.assign(first, { app: second.app });
    isAway = false;
    let outcome: Awaited<typeof done> | undefined;
    void done.then((value) => {
      outcome = value;
    });
    await advanceUntil(cli, "the command ends", () => outcome !== undefined);

    expect(outcome?.exit).toBe(0);
    second.close();
  });

  it("gives up with 3 when the node does not come back", async () => {
    const cli = createCli({
      environment: {
        fetch: async (url, init) => {
          if (isAway) throw Object.assign(new TypeError("Unable to connect"), { code: "ConnectionRefused" });
          return cli.harness.api.app.request(url, init, {});
        },
      },
    });
    let isAway = false;
    const one = await submit(cli.harness);
    const { done, seen } = cli.start("task", "wait", one);
    await waitUntil("it is seen", says(seen, "ready"));

    isAway = true;
    cli.harness.api.close();
    let exit: number | undefined;
    void done.then((outcome) => {
      exit = outcome.exit;
    });
    await advanceUntil(cli, "the command ends", () => exit !== undefined, 2_000);

    expect(exit).toBe(3);
  });

  it("notices a connection that fell silent", async () => {
    const streams: ReadableStreamDefaultController<Uint8Array>[] = [];
    const cli = createCli({
      environment: {
        fetch: async (url, init) => {
          if (!url.includes("/api/events")) return cli.harness.api.app.request(url, init, {});
          return new Response(new ReadableStream({ start: (controller) => void streams.push(controller) }));
        },
      },
    });
    const one = await submit(cli.harness);
    const { done, seen } = cli.start("task", "wait", one);
    await waitUntil("it is seen", says(seen, "ready"));

    await cli.harness.work();
    let exit: number | undefined;
    void done.then((outcome) => {
      exit = outcome.exit;
    });
    await advanceUntil(cli, "the command ends", () => exit !== undefined, 1_000);

    expect(exit).toBe(0);
    expect(streams).toHaveLength(2);
  });

  it("draws bars on a terminal and removes them at the end", async () => {
    const cli = createCli({ columns: 100, env: { NO_COLOR: "1" } });
    const one = await submit(cli.harness, { title: "one" });
    const { done, seen } = cli.start("task", "wait", one);
    await waitUntil("it is seen", says(seen, "ready"));
    const [task] = await cli.harness.claim();
    if (task === undefined) throw new Error("nothing was claimed");
    await cli.harness.queue.progress(one, task.fence, { ratio: 0.5, message: "halfway" });
    await waitUntil("progress is drawn", says(seen, "██████████░░░░░░░░░░ 50 %  running    one"));

    cli.harness.clock.advance(1_000);
    await cli.harness.queue.finish(one, task.fence, { ...passed });
    const outcome = await done;

    expect(outcome.exit).toBe(0);
    expect(outcome.stderr.endsWith("\u001b[2A\u001b[J")).toBe(true);
    expect(outcome.stderr).toContain("0 of 1 task ended, 1 running");
    expect(outcome.stdout).not.toContain("\u001b");
  });

  it("after task add --wait shows how the task ended", async () => {
    const cli = createCli();
    const { done, seen } = cli.start("task", "add", "--title", "quick", "--wait", "--", "true");
    await waitUntil("it is seen", says(seen, "ready"));

    await cli.harness.work();

    expect(await done).toMatchObject({ exit: 0, stdout: containing("done") });
  });
});

const passed = {
  outcome: "passed",
  consequence: "retryable",
  executor: "shell",
  endpoint: null,
  model: null,
  durationMs: 1,
  tokens: 0,
  costMicrodollars: 0,
  error: null,
  report: null,
  result: null,
} as const;

describe("task logs", () => {
  function withLogs(columns?: number) {
    const logs = new Map<string, Uint8Array>();
    const cli = createCli({
      ...(columns === undefined ? {} : { columns }),
      ports: {
        readLog: async (id: TaskId, attempt: number, offset: number, maxBytes: number) => {
          const log = logs.get(`${id}/${attempt}`);
          return ok(log && { bytes: log.slice(offset, offset + Math.min(maxBytes, 7)), sizeBytes: log.byteLength });
        },
      },
    });
    const encoder = new TextEncoder();
    const write = (id: string, attempt: number, text: string): void => {
      logs.set(`${id}/${attempt}`, encoder.encode(text));
    };
    return { cli, write };
  }

  it("print the log whole, in as many pieces as it takes", async () => {
    const { cli, write } = withLogs();
    const id = await submit(cli.harness);
    await cli.harness.work();
    write(id, 1, "wörter über zeilen\nund mehr\u001b[2J\n");

    expect(await cli.run("task", "logs", id)).toEqual({
      exit: 0,
      stdout: "wörter über zeilen\nund mehr\u001b[2J\n",
      stderr: "",
    });
  });

  it("show a terminal no sequences but colours", async () => {
    const { cli, write } = withLogs(80);
    const id = await submit(cli.harness);
    await cli.harness.work();
    write(id, 1, "a\u001b[31mb\u001b[2Jc\n");

    expect((await cli.run("task", "logs", id)).stdout).toBe("a\u001b[31mbc\n");
  });

  it("--follow goes on through the attempts until the task has ended", async () => {
    const { cli, write } = withLogs();
    const id = await submit(cli.harness, { maxAttempts: 2 });
    const { done, seen } = cli.start("task", "logs", id, "--follow");
    const [first] = await cli.harness.claim();
    if (first === undefined) throw new Error("nothing was claimed");
    write(id, 1, "first\n");
    await advanceUntil(cli, "the first piece is printed", () => seen.stdout() === "first\n", 100);
    write(id, 1, "first\nsecond\n");
    await cli.harness.queue.finish(id, first.fence, { ...passed, outcome: "failed", error: "again" });
    await advanceUntil(cli, "the second piece is printed", () => seen.stderr().includes("attempt 2 follows"), 100);
    await cli.run("task", "retry", id);
    const [second] = await cli.harness.claim();
    if (second === undefined) throw new Error("nothing was claimed");
    write(id, 2, "third\n");
    await cli.harness.queue.finish(id, second.fence, passed);
    let exit: number | undefined;
    void done.then((outcome) => {
      exit = outcome.exit;
    });
    await advanceUntil(cli, "the command ends", () => exit !== undefined, 100);

    expect(exit).toBe(0);
    expect(seen.stdout()).toBe("first\nsecond\nthird\n");
  });

  it("of a task that has not run say so", async () => {
    const { cli } = withLogs();
    const id = await submit(cli.harness);

    const outcome = await cli.run("task", "logs", id);

    expect(outcome).toMatchObject({ exit: 1, stdout: "" });
    expect(outcome.stderr).toContain(`there is no log of attempt 1 of task ${id}`);
  });
});
