import { describe, expect, it } from "vitest";
import type { SourceBuild, SourceBuildOrder } from "#api";
import { err, type JsonValue, ok, present, retryable } from "#base";
import { exampleBuilds } from "../../../src/api/source-build.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { createCli } from "./cli-harness.ts";

const view = (swap: JsonValue, history: JsonValue): JsonValue => ({
  current: "0.1.0",
  previous: null,
  floor: null,
  releases: [],
  swap,
  history,
});

/** A watchdog that takes an update, then goes through `views`, one for each time it is asked; then it is away. */
function createUpdating(views: readonly JsonValue[]) {
  let next = 0;
  return createCli({
    ports: {
      watchdog: {
        ask: async (action) => {
          if (action === "update") return ok({ accepted: true, version: "0.2.0" });
          const seen = views[next++];
          return seen === undefined ? err(retryable("unavailable", "the watchdog does not answer")) : ok(seen);
        },
      },
    },
  });
}

async function update(views: readonly JsonValue[]) {
  const cli = createUpdating(views);
  const startMs = cli.harness.clock.monotonicMs();
  const { done } = cli.start("update", "/release");
  let outcome: Awaited<typeof done> | undefined;
  void done.then((value) => {
    outcome = value;
  });
  await waitUntil("the command ends", () => {
    if (outcome === undefined) cli.harness.clock.advance(500);
    return outcome !== undefined;
  });
  return { ...(await done), tookMs: cli.harness.clock.monotonicMs() - startMs };
}

describe("drover update", () => {
  const draining = view({ version: "0.2.0", step: "draining" }, []);

  it("follows the swap to its end and says what runs", async () => {
    const outcome = await update([draining, view(null, [{ version: "0.2.0", result: "committed" }])]);

    expect(outcome).toMatchObject({ exit: 0, stdout: "drover 0.2.0 runs\n" });
    expect(outcome.stderr).toContain("draining");
  });

  it("gives up when nothing has answered for a while, and says what was seen last", async () => {
    const outcome = await update([draining]);

    expect(outcome.exit).toBe(3);
    expect(outcome.stderr).toContain("nothing has answered for 1 m 30 s; the last step seen was draining");
    expect(outcome.stderr).toContain("drover doctor");
    expect(outcome.tookMs).toBeLessThan(120_000);
  });
});

describe("drover update --from-source", () => {
  const example = present(exampleBuilds.builds[0], "the example has a build");

  /** A node whose build is under way at the first look and has ended at the second. */
  function createBuilding(end: Partial<SourceBuild>) {
    const orders: SourceBuildOrder[] = [];
    let looks = 0;
    const cli = createCli({
      ports: {
        watchdog: { ask: async () => ok(view(null, [{ version: example.version, result: "committed" }])) },
        sourceBuilds: {
          begin: async (order) => {
            orders.push(order);
            return ok({ id: example.id });
          },
          view: async () => {
            looks += 1;
            const building = { id: example.id, source: example.source, step: "tested", startedAtMs: 1 };
            return looks === 1 ? { building, builds: [] } : { building: null, builds: [{ ...example, ...end }] };
          },
        },
      },
    });
    const run = async (...args: readonly string[]) => {
      const { done } = cli.start(...args);
      let isDone = false;
      void done.then(() => {
        isDone = true;
      });
      await waitUntil("the command ends", () => {
        if (!isDone) cli.harness.clock.advance(500);
        return isDone;
      });
      return done;
    };
    return { run, orders };
  }

  it("follows the build, then the swap", async () => {
    const { run, orders } = createBuilding({ result: "built", reason: null, output: "" });

    const outcome = await run("update", "--from-source", "/srv/drover");

    expect(outcome).toMatchObject({ exit: 0, stdout: `drover ${example.version} runs\n` });
    expect(outcome.stderr).toContain("to be tested");
    expect(orders).toMatchObject([{ source: "/srv/drover", patch: null, checkOnly: false }]);
  });

  it("shows the reason and the last lines of a build that failed", async () => {
    const outcome = await createBuilding({ output: "1 failed\nin a.test.ts" }).run("update", "--from-source", "/s");

    expect(outcome.exit).toBe(1);
    expect(outcome.stdout).toContain("1 failed\nin a.test.ts\n");
    expect(outcome.stdout).toContain("update.source_test exited with code 1");
  });

  it("with --check-only says that it is sound, and installs nothing", async () => {
    const { run, orders } = createBuilding({ result: "checked", reason: null, output: "" });

    const outcome = await run("update", "--from-source", "/s", "--check-only");

    expect(outcome).toMatchObject({
      exit: 0,
      stdout: "/srv/drover builds and passes its tests; nothing was installed\n",
    });
    expect(orders).toMatchObject([{ checkOnly: true }]);
  });

  it.each([
    [["update", "--check-only"]],
    [["update", "--patch", "fix.diff"]],
    [["update", "./release", "--from-source", "/s"]],
  ])("refuses %j", async (args) => {
    expect((await createBuilding({}).run(...args)).exit).toBe(2);
  });

  it("is in the list of releases, with the last lines of the newest that failed", async () => {
    const { run } = createBuilding({});

    await run("releases");
    const outcome = await run("releases");

    expect(outcome.stdout).toContain(example.id);
    expect(outcome.stdout).toContain("improver, through the API");
    expect(outcome.stdout).toContain(`The last lines of ${example.id}:\n  1 failed`);
  });
});
