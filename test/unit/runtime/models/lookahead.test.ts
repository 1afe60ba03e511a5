import { describe, expect, it } from "vitest";
import { createIdFactory, ok, SimulatedClock, seededRandom, silentLogger } from "#base";
import type { EndpointState, HostCapacity } from "#hw";
import type { TaskRecord, TaskRow } from "#queue";
import { ExpectedCompletionRouter, PassLedger, SlotBook, SpeedBook } from "#scheduler";
import { modelShape } from "../../../../src/hw/endpoints/model-shape.ts";
import { CalibrationTable } from "../../../../src/hw/fit/calibration.ts";
import { ResidencyHistory } from "../../../../src/hw/fit/residency-history.ts";
import { Chains } from "../../../../src/runtime/models/chains.ts";
import { HostFitPlanner } from "../../../../src/runtime/models/fit-planner.ts";
import { QueueLookahead } from "../../../../src/runtime/models/lookahead.ts";
import { TaskPlans } from "../../../../src/runtime/models/task-plans.ts";
import { readyRow } from "../../../support/task-row.ts";
import { card, settled } from "../../hw/capacity/scripted-source.ts";
import { LLAMA_31_8B } from "../../hw/fit/known-models.ts";
import { GIB, loaded, model, state } from "../../scheduler/fleet-states.ts";
import { hostCapacity } from "./host-of-tests.ts";
import { configWith } from "./model-config.ts";

const CARD_GIB = 24;
const ids = createIdFactory(new SimulatedClock(), seededRandom(7));
const shape = modelShape(LLAMA_31_8B);
const sized = (name: string, sizeGib: number) => model(name, { sizeBytes: sizeGib * GIB, shape });
const SMALL = sized("small:3b", 2);
const MIDDLE = sized("middle:8b", 5);
const LARGE = sized("large:70b", 40);

function here(rest: Partial<EndpointState> = {}): EndpointState {
  return { ...state("here", { endpoint: { isLocal: true } }), models: [SMALL, MIDDLE, LARGE], ...rest };
}

function task(spec: object, row: Partial<TaskRow> = {}, attempts: TaskRecord["attempts"] = []): TaskRecord {
  const body = JSON.stringify({ title: "t", prompt: "Fix the typo", ...spec });
  return { row: readyRow(ids.task(), row), body, labels: {}, dependsOn: [], attempts };
}

type World = {
  readonly states?: readonly EndpointState[];
  readonly config?: Parameters<typeof configWith>[0];
  readonly capacity?: HostCapacity;
  readonly passes?: PassLedger;
};

/** The real queue of decisions: plans, chain, fit and router; only the load itself is written down. */
async function look(tasks: readonly TaskRecord[], given: World = {}) {
  const { states = [here()], config: flags = {}, passes = new PassLedger() } = given;
  const config = configWith(flags);
  const clock = new SimulatedClock();
  const residency = new ResidencyHistory();
  for (const one of states) residency.note(one);
  const usedBytes = states.flatMap((one) => one.loaded).reduce((sum, { vramBytes }) => sum + vramBytes, 0);
  const usual = hostCapacity([card({ vramBytes: CARD_GIB * GIB, vramUsedBytes: usedBytes })]);
  const monitor = { current: () => given.capacity ?? usual };
  const fit = new HostFitPlanner(monitor, { calibrations: new CalibrationTable() }, residency);
  const directory = {
    states: () => states,
    state: (id: string) => states.find(({ endpoint }) => endpoint.id === id),
    begin: () => {
      throw new Error("looking ahead begins nothing at an endpoint itself");
    },
    lacks: () => undefined,
    missing: () => undefined,
  };
  const books = { speeds: new SpeedBook(), slots: new SlotBook() };
  const router = new ExpectedCompletionRouter({ directory, clock, random: seededRandom(1), fit, ...books });
  const loads: (readonly [string, string, number | null])[] = [];
  const chains = new Chains(config, () => states);
  const lookahead = new QueueLookahead({
    queue: { store: { list: async () => ok({ items: tasks, nextCursor: null }) } },
    clock,
    logger: silentLogger,
    plans: new TaskPlans(config, "/state", chains, passes),
    chains,
    fit,
    states: () => states,
    router: () => router,
    inference: () => ({
      load: async (endpoint, name, contextTokens) => {
        loads.push([endpoint, name, contextTokens]);
        return undefined;
      },
    }),
    concurrency: 1,
  });
  lookahead.start();
  clock.advance(5_000);
  await settled();
  lookahead.stop();
  return { loads, needed: lookahead.needed() };
}

describe("looking ahead", () => {
  it("loads the model of the next task with the context that the router would ask for", async () => {
    const { loads, needed } = await look([task({ tier: "standard" })], { config: { "limits.context_tokens": 16_384 } });

    expect(loads).toEqual([["here", "middle:8b", 16_384]]);
    expect(needed).toEqual([{ model: "middle:8b", inMs: 0, count: 1 }]);
  });

  it("begins with the tasks that are next, whenever they were submitted", async () => {
    const newest = task({ requires: { models: ["small:3b"] } }, { tag: 9 });
    const urgent = task({ requires: { models: ["middle:8b"] } }, { lane: 0, tag: 12 });

    const { needed } = await look([newest, urgent]);

    expect(needed.map(({ model: name, inMs }) => [name, inMs])).toEqual([
      ["middle:8b", 0],
      ["small:3b", 20_000],
    ]);
  });

  it.each([
    ["what the task insists on", {}, { requires: { models: ["middle:8b"] } }, [], "middle:8b"],
    ["a larger tier after a failed verification", {}, { tier: "trivial" }, ["trivial"], "middle:8b"],
  ] as const)("loads %s", async (_what, given, spec, failed, name) => {
    const attempts = failed.map(
      // `as`: the rest of the row says nothing here.
      (tier) =>
        ({
          outcome: "failed",
          result: { model: { tier, isJudged: true } },
        }) as unknown as TaskRecord["attempts"][number],
    );

    const { loads } = await look([task(spec, {}, attempts)], given);

    expect(loads.map(([, loadedName]) => loadedName)).toEqual([name]);
  });

  it("begins where the tier was found to be too small", async () => {
    const passes = new PassLedger();
    for (let n = 0; n < 20; n++) passes.record("small:3b", "trivial", false);

    const { loads } = await look([task({})], { passes });

    expect(loads.map(([, name]) => name)).toEqual(["middle:8b"]);
  });

  it("loads nothing that does not fit wholly, unless that is allowed or a later model of the chain does", async () => {
    const only = await look([task({ requires: { models: ["large:70b"] } })]);
    const chain = await look([task({ requires: { models: ["large:70b", "middle:8b"] } })]);

    expect(only).toEqual({ loads: [], needed: [] });
    expect(chain.loads.map(([, name]) => name)).toEqual(["middle:8b"]);
  });

  it("evicts nothing that is busy: what the host has free is known (W2)", async () => {
    const held = loaded("other:27b", { sizeBytes: 20 * GIB, vramBytes: 20 * GIB });
    const wanted = [task({ tier: "standard" })];
    const idle = await look(wanted, { states: [here({ loaded: [held] })] });
    const busy = await look(wanted, { states: [here({ loaded: [held], inFlight: { "other:27b": 1 } })] });

    expect(idle.loads.map(([, name]) => name)).toEqual(["middle:8b"]);
    expect(busy.loads).toEqual([]);
    expect(busy.needed).toEqual([{ model: "middle:8b", inMs: 0, count: 1 }]);
  });

  it("loads beside what is busy where there is room for both, and only where the router would send a request", async () => {
    const wanted = [task({ tier: "standard" })];
    const held = loaded("small:3b", { sizeBytes: 3 * GIB, vramBytes: 3 * GIB });
    const beside = await look(wanted, { states: [here({ loaded: [held], inFlight: { "small:3b": 1 } })] });
    const mute = { ...MIDDLE, capabilities: ["completion"] };
    const toolless = state("a-first", { endpoint: { vramBytes: CARD_GIB * GIB }, models: [mute] });
    const chosen = await look(wanted, { states: [toolless, here()] });

    expect(beside.loads.map(([, name]) => name)).toEqual(["middle:8b"]);
    expect(chosen.loads.map(([endpoint]) => endpoint)).toEqual(["here"]);
  });

  it("leaves alone what is loaded, what another kind of server has, and tasks that ask no model", async () => {
    const there = await look([task({ tier: "standard" })], { states: [here({ loaded: [loaded("middle:8b")] })] });
    const served = state("vllm", { endpoint: { kind: "openai" }, models: [MIDDLE] });
    const elsewhere = await look([task({ tier: "standard" })], { states: [served] });
    const shell = await look([task({ prompt: undefined, command: ["true"] })]);

    expect([there.loads, elsewhere.loads, shell.loads]).toEqual([[], [], []]);
    expect(shell.needed).toEqual([]);
  });
});
