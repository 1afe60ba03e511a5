import { describe, expect, it } from "vitest";
import { err, type JsonValue, ok, retryable } from "#base";
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
