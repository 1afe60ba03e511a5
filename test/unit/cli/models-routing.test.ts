import { describe, expect, it } from "vitest";
import type { UsageEntry } from "#inference";
import type { RouteCandidate, RouteDecision, RouteRequest } from "#scheduler";
import { endpointState, MODEL } from "../../support/inference-world.ts";
import { submit, valueOf } from "../api/api-harness.ts";
import { parsed } from "./cli-harness.ts";
import { createModelCli } from "./models-cli.ts";

const DAY_MS = 86_400_000;

const CANDIDATE: RouteCandidate = {
  endpoint: "one",
  model: MODEL,
  rank: 0,
  refused: null,
  terms: { waitMs: 0, loadMs: 4_200, prefillMs: 210, decodeMs: 2_900, displacementMs: 55 },
  totalMs: 7_310,
  contextTokens: 8_192,
  fit: "fits",
  basis: "estimated",
};
const REFUSED: RouteCandidate = {
  ...CANDIDATE,
  endpoint: "two",
  model: "big:70b",
  refused: "needs 41 GiB, 6 GiB are free",
  terms: null,
  totalMs: null,
  fit: "tooLarge",
};

function decision(more: Partial<RouteDecision> = {}): RouteDecision {
  return {
    atMs: 0,
    tier: "standard",
    candidates: [CANDIDATE, REFUSED],
    chosen: { endpoint: "one", model: MODEL, contextTokens: 8_192 },
    reason: "m:latest on one is expected to answer in 7.3 s",
    retryAfterMs: null,
    ...more,
  };
}

/** A command line whose router always decides the same. */
function decided(made: RouteDecision, columns?: number) {
  const cli = createModelCli([endpointState("one", "http://127.0.0.1:1")], {
    env: { NO_COLOR: "1" },
    ...(columns === undefined ? {} : { columns }),
  });
  const asked: RouteRequest[] = [];
  cli.models.world.router.explain = (request) => {
    asked.push(request);
    return made;
  };
  return { ...cli, asked };
}

describe("route explain", () => {
  it("says how far expected times were off, once there were some", async () => {
    const accuracy = () => ({ samples: 1, meanAbsoluteErrorRatio: 0.414 });
    const { run } = createModelCli([endpointState("one", "http://127.0.0.1:1")], { models: { accuracy } });

    const outcome = await run("route", "explain", "x");

    expect(outcome.stdout).toContain("Expected times were off by 41 % on average (1 reply so far).\n");
  });

  it("shows the tier, the reason, and every candidate with its terms or why it cannot serve", async () => {
    const { run } = decided(decision());

    const outcome = await run("route", "explain", "Fix the failing test", "--tools");

    expect(outcome).toMatchInlineSnapshot(`
      {
        "exit": 0,
        "stderr": "",
        "stdout": "trivial: 20 characters
      m:latest on one is expected to answer in 7.3 s

      MODEL     ENDPOINT  EXPECTED  WAIT   LOAD  PREFILL  DECODE  DISPLACES  CONTEXT  FIT       SPEEDS     NOTE
      m:latest  one          7.3 s  0 ms  4.2 s   210 ms   2.9 s      55 ms     8192  fits      estimated
      big:70b   two              -     -      -        -       -          -     8192  tooLarge  estimated  needs 41 GiB, 6 GiB are free
      ",
      }
    `);
  });

  it("asks as it was told to, and says nothing of the prompt where models or a tier were named", async () => {
    const { run, asked: requests } = decided(decision({ candidates: [], chosen: null, reason: "no endpoint is left" }));

    const outcome = await run(
      "route",
      "explain",
      "--model",
      "a",
      "--model",
      "b:7b",
      "--tier",
      "complex",
      "--kind",
      "openai",
      "--prompt-tokens",
      "9000",
      "--output-tokens",
      "50",
      "--context-tokens",
      "16000",
      "--allow-spill",
    );

    expect(outcome).toEqual({ exit: 0, stdout: "no endpoint is left\n", stderr: "" });
    const [asked] = requests;
    expect(asked).toMatchObject({
      models: ["a", "b:7b"],
      tier: "complex",
      kinds: ["openai"],
      needs: [],
      outputTokens: 50,
      contextTokens: 16_000,
      allowSpill: true,
    });
    expect(Math.abs((asked?.promptTokens ?? 0) - 9_000)).toBeLessThan(50);
  });

  it("is the API's document with --json", async () => {
    const outcome = await decided(decision()).run("route", "explain", "x", "--json");

    expect(parsed(outcome.stdout)).toEqual({
      classification: { tier: "trivial", reason: "1 characters" },
      decision: decision(),
      accuracy: { samples: 0, meanAbsoluteErrorRatio: null },
    });
  });

  it("leaves out the single terms before it cuts a model's name, on a narrow terminal", async () => {
    const { stdout } = await decided(decision(), 60).run("route", "explain", "x");

    expect(stdout).toContain("big:70b   two");
    expect(stdout).not.toContain("PREFILL");
    expect(stdout).toContain("EXPECTED");
  });

  it.each([
    [["--tier", "hard"], "--tier must be one of trivial, standard, complex"],
    [["--prompt-tokens", "0"], "--prompt-tokens must be a whole number from 1 to 10000000"],
    [["a", "b"], 'route explain does not take "b"'],
  ])("is a usage error for %j", async (words, message) => {
    const outcome = await decided(decision()).run("route", "explain", ...words);

    expect(outcome).toMatchObject({ exit: 2, stdout: "" });
    expect(outcome.stderr).toContain(message);
  });
});

describe("models", () => {
  it("are shown with size, abilities and where they are; what is not known stays open", async () => {
    const one = endpointState("one", "http://127.0.0.1:1");
    const [model] = one.models;
    if (model === undefined) throw new Error("the endpoint of the tests has a model");
    const loaded = { name: MODEL, digest: null, sizeBytes: 9, vramBytes: 9, contextLength: null, expiresAtMs: null };
    const bare = { ...model, name: "a:7b", sizeBytes: null, parameterSize: null, quantization: null };
    const two = {
      ...endpointState("two", "http://127.0.0.1:2"),
      loaded: [loaded],
      models: [model, { ...bare, contextLength: null, capabilities: null }],
    };
    const { run } = createModelCli([one, two]);

    const outcome = await run("models");
    const json = await run("models", "--json");

    expect(outcome).toMatchInlineSnapshot(`
      {
        "exit": 0,
        "stderr": "",
        "stdout": "MODEL       SIZE  PARAMETERS  QUANTIZATION  CONTEXT  PASSES  CAN                           ON
      a:7b           -           -  -                   -  -       ?                             two
      m:latest  1000 B          1M  F16              8192  -       completion, tools, embedding  one, two (loaded)
      ",
      }
    `);
    expect(parsed(json.stdout)["models"]).toMatchObject([{ name: "a:7b" }, { name: MODEL }]);
  });

  it("of no endpoint are none, which is no fault", async () => {
    const outcome = await createModelCli([]).run("models");

    expect(outcome).toEqual({
      exit: 0,
      stdout: "",
      stderr: "No endpoint offers a model. See: drover endpoints list\n",
    });
  });
});

describe("usage", () => {
  async function used(...entries: readonly Partial<UsageEntry>[]) {
    const cli = createModelCli([]);
    const nowMs = cli.harness.clock.nowMs();
    for (const more of entries) {
      const entry: UsageEntry = {
        atMs: nowMs,
        purpose: "task",
        taskId: "t_1",
        attempt: 1,
        goal: null,
        endpoint: "one",
        model: MODEL,
        tier: "standard",
        promptTokens: 1_000,
        completionTokens: 200,
        costMicrodollars: 1_400,
        energyJoules: 7_200,
        durationMs: 100,
        ...more,
      };
      valueOf(await cli.models.store.record(entry));
    }
    return { ...cli, nowMs };
  }

  it("is shown by day with money, energy and the budgets", async () => {
    const yesterday = { atMs: 1_700_000_000_000 - DAY_MS, energyJoules: null, costMicrodollars: 0 };
    const { run } = await used({}, {}, yesterday);

    const outcome = await run("usage");

    expect(outcome).toMatchInlineSnapshot(`
      {
        "exit": 0,
        "stderr": "",
        "stdout": "DAY         REQUESTS  PROMPT  REPLY     COST   ENERGY
      2023-11-13         1    1000    200  $0.0000        -
      2023-11-14         2    2000    400  $0.0028  4.00 Wh
      Budget per day: $0.0000 of $1.0000; then: localOnly
      ",
      }
    `);
  });

  it("is shown by hour to the minute, and by model under its name", async () => {
    const { run } = await used({}, { model: "big:70b", costMicrodollars: 9_000_000 });

    const hours = await run("usage", "--by", "hour");
    const byModel = await run("usage", "--by", "model");

    expect(hours.stdout.split("\n")[1]).toMatch(/^2023-11-14 22:00 {2,}2 /);
    expect(byModel.stdout).toMatch(/^MODEL .*\nbig:70b .* \$9\.0000 .*\nm:latest /);
  });

  it("is narrowed to a time and a task", async () => {
    const { run, nowMs } = await used({ taskId: "t_2" }, { atMs: 1_700_000_000_000 - 3 * DAY_MS });

    const ofTask = await run("usage", "--task", "t_2", "--json");
    const since = await run("usage", "--since", "2d", "--by", "model", "--json");
    const nothing = await run("usage", "--task", "t_9");

    expect(parsed(ofTask.stdout)).toMatchObject({ sums: [{ requests: 1 }] });
    expect(parsed(since.stdout)).toMatchObject({
      fromMs: nowMs + 1 - 2 * DAY_MS,
      sums: [{ group: MODEL, requests: 1 }],
    });
    expect(nothing.exit).toBe(0);
    expect(nothing.stderr).toBe("No model was used within that time.\n");
    expect(nothing.stdout).toContain("Budget per day");
  });

  it.each([
    [["--since", "2w"], "--since must be a number with s, m, h or d"],
    [["--by", "week"], "--by must be one of day, hour, model"],
    [["--task", ""], "--task must not be empty"],
  ])("is a usage error for %j", async (words, message) => {
    const outcome = await createModelCli([]).run("usage", ...words);

    expect(outcome).toMatchObject({ exit: 2, stdout: "" });
    expect(outcome.stderr).toContain(message);
  });

  it("over a time that the node refuses ends with 1", async () => {
    const outcome = await createModelCli([]).run("usage", "--since", "999999d");

    expect(outcome).toMatchObject({ exit: 1, stdout: "" });
    expect(outcome.stderr).toContain("window: ");
  });
});

describe("task explain", () => {
  it("shows of each attempt where its request went and why", async () => {
    const { run, harness, models } = createModelCli([]);
    const id = await submit(harness);
    valueOf(await models.store.saveDecision(id, 1, decision()));
    const none = decision({ candidates: [], chosen: null, reason: "every endpoint is busy" });
    valueOf(await models.store.saveDecision(id, 2, none));

    const outcome = await run("task", "explain", id);
    const json = await run("task", "explain", id, "--json");
    const shown = await run("task", "show", id, "--json");

    expect(outcome.stdout.replaceAll(id, "t_id")).toMatchInlineSnapshot(`
      "t_id: it is the next of lane normal

        place     0 ahead in lane normal
        node box  can run it

      Attempt 1: m:latest on one is expected to answer in 7.3 s
      MODEL     ENDPOINT  EXPECTED  WAIT   LOAD  PREFILL  DECODE  DISPLACES  CONTEXT  FIT       SPEEDS     NOTE
      m:latest  one          7.3 s  0 ms  4.2 s   210 ms   2.9 s      55 ms     8192  fits      estimated
      big:70b   two              -     -      -        -       -          -     8192  tooLarge  estimated  needs 41 GiB, 6 GiB are free

      Attempt 2: every endpoint is busy
      "
    `);
    expect(parsed(json.stdout)["routing"]).toEqual([
      { attempt: 1, decision: decision() },
      { attempt: 2, decision: none },
    ]);
    expect(parsed(shown.stdout)["decision"]).toEqual(none);
  });

  it("shows of a decision that a newer drover made what it can", async () => {
    const { run, harness, models } = createModelCli([]);
    const id = await submit(harness);
    // `as`: as if stored by a version that knows other words.
    const strange = {
      atMs: 1,
      reason: 7,
      candidates: [{ model: { name: "m" }, terms: "soon", refused: 3, totalMs: "1 s", fit: null }],
    } as unknown as RouteDecision;
    valueOf(await models.store.saveDecision(id, 1, strange));
    valueOf(await models.store.saveDecision(id, 2, { ...strange, candidates: "none" } as unknown as RouteDecision));

    const outcome = await run("task", "explain", id);

    expect(outcome).toMatchObject({ exit: 0, stderr: "" });
    expect(outcome.stdout).toContain("Attempt 1: \n");
    expect(outcome.stdout).toMatch(/\n\? +\? +- .* \?\n/);
    expect(outcome.stdout).toContain("Attempt 2: \n");
  });
});
