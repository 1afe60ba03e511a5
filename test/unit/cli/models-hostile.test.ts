/** Names and messages come from servers that anybody may run; none of it may reach the terminal as more than text. */
import { describe, expect, it } from "vitest";
import { err, ok, refused } from "#base";
import type { EndpointState } from "#hw";
import type { UsageEntry } from "#inference";
import type { RouteDecision } from "#scheduler";
import { endpointState } from "../../support/inference-world.ts";
import { CAPACITY } from "../../support/model-ports.ts";
import { submit, valueOf } from "../api/api-harness.ts";
import { createModelCli } from "./models-cli.ts";

/** Clears the screen, sets the title, rings, goes back, breaks the line, turns the writing direction, C1 control. */
const EVIL = "m\u001b[2J\u001b]0;owned\u0007\r\b\nfake line\u202e\u009b31m\u0000\ufeff";
const UNSAFE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

const DECISION: RouteDecision = {
  atMs: 0,
  tier: "standard",
  candidates: [
    {
      endpoint: EVIL,
      model: EVIL,
      rank: 0,
      refused: EVIL,
      terms: null,
      totalMs: null,
      contextTokens: null,
      fit: "unknown",
      basis: "estimated",
    },
  ],
  chosen: null,
  reason: EVIL,
  retryAfterMs: null,
};

function hostile(columns?: number) {
  const plain = endpointState(EVIL, `http://evil/${EVIL}`);
  const [model] = plain.models;
  if (model === undefined) throw new Error("the endpoint of the tests has a model");
  const named = { parameterSize: EVIL, quantization: EVIL, family: EVIL, capabilities: [EVIL], name: EVIL };
  const loaded = { name: EVIL, digest: null, sizeBytes: 1, vramBytes: 1, contextLength: null, expiresAtMs: null };
  const state: EndpointState = {
    ...plain,
    version: EVIL,
    models: [{ ...model, ...named }],
    loaded: [loaded],
    health: { kind: "open", retryAtMs: 1, reason: EVIL, faults: 1 },
  };
  const cli = createModelCli([state], {
    env: { NO_COLOR: "1" },
    ...(columns === undefined ? {} : { columns }),
    models: {
      capacity: () => ({
        ...CAPACITY,
        cpu: { ...CAPACITY.cpu, model: EVIL },
        gpus: CAPACITY.gpus.map((gpu) => ({ ...gpu, name: EVIL })),
        notes: [EVIL],
      }),
      addEndpoint: async () => ok(state),
      removeEndpoint: async () => err(refused("conflict", EVIL, EVIL)),
      classify: () => ({ tier: "standard", reason: EVIL }),
      budgets: async () =>
        ok([{ span: "hour", unit: "tokens", limit: 10, used: 3, action: EVIL, freesAtMs: null }] as const),
    },
  });
  cli.models.world.router.explain = () => DECISION;
  return cli;
}

const USED: UsageEntry = {
  atMs: 1_700_000_000_000,
  purpose: "task",
  taskId: EVIL,
  attempt: 1,
  goal: null,
  endpoint: EVIL,
  model: EVIL,
  tier: "standard",
  promptTokens: 1,
  completionTokens: 1,
  costMicrodollars: 1,
  energyJoules: null,
  durationMs: 1,
};

describe.each([undefined, 40, 120])("text of a hostile server, on %s columns,", (columns) => {
  it.each([
    ["hw"],
    ["endpoints list"],
    ["endpoints add http://evil"],
    ["endpoints probe x"],
    ["models"],
    ["route explain x"],
    ["usage --by model"],
    ["usage --by endpoint"],
    ["usage --by task"],
  ])("is shown by `%s` as one line of harmless characters", async (line) => {
    const cli = hostile(columns);
    valueOf(await cli.models.store.record(USED));

    const outcome = await cli.run(...line.split(" "));

    const said = outcome.stdout + outcome.stderr;
    expect(said).not.toBe("");
    expect(UNSAFE.exec(said)).toBeNull();
    expect(said).not.toMatch(/^fake line/m);
  });

  it("within a failure is shown as harmless characters, whatever its lines are", async () => {
    const { stderr } = await hostile(columns).run("endpoints", "remove", "x");

    expect(stderr).toContain("fake line");
    expect(UNSAFE.exec(stderr)).toBeNull();
  });

  it("is shown by `task explain` as one line of harmless characters", async () => {
    const { harness, models, run } = hostile(columns);
    const id = await submit(harness);
    valueOf(await models.store.saveDecision(id, 1, DECISION));

    const outcome = await run("task", "explain", id);

    expect(outcome.stdout).toContain("fake line");
    expect(UNSAFE.exec(outcome.stdout)).toBeNull();
    expect(outcome.stdout).not.toMatch(/^fake line/m);
  });
});
