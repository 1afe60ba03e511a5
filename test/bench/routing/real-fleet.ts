/**
 * bun test/bench/routing/main.ts --real
 *
 * The same policies over three real servers: real inference of toy models behind the real Ollama API, each on a
 * pretended machine of its own speed and memory, watched by the product's own registry of endpoints. What is checked
 * is whether the order of the policies is that of the simulator; the figures themselves are those of toys.
 */
import { seededRandom, silentLogger, sleep } from "#base";
import { EndpointRegistry, type EndpointState, HttpEndpointProbe } from "#hw";
import type { FitPlanner } from "../../../src/scheduler/fit-planner.ts";
import { engineAvailability } from "../../support/models/engine.ts";
import { TOY_SIZES } from "../../support/models/toy-model.ts";
import { startToyOllama, type ToyOllama } from "../../support/models/toy-ollama.ts";
import { realClock } from "../../support/real-clock.ts";
import { BASELINES } from "./baselines.ts";
import type { ModelSpec } from "./fleet.ts";
import { ours } from "./our-policy.ts";
import type { Choice, Policy, PolicyMaker } from "./policy.ts";
import { mean } from "./report.ts";
import type { WorkloadRequest } from "./workload.ts";

const CONTEXT_TOKENS = 2_048;
const SMALL: ModelSpec = {
  name: "small:1b",
  sizeBytes: TOY_SIZES.small,
  kvBytesPerToken: 0,
  shape: null,
  contextTokens: CONTEXT_TOKENS,
};
const LARGE: ModelSpec = {
  name: "large:8b",
  sizeBytes: TOY_SIZES.large,
  kvBytesPerToken: 0,
  shape: null,
  contextTokens: CONTEXT_TOKENS,
};

/** Machines of one fleet: time of a token, of reading a prompt, of loading a megabyte; slots. */
const MACHINES = [
  { id: "fast", tokenMs: 15, prefillMs: 50, loadMsPerMegabyte: 15, numParallel: 2, vramBytes: 200e6 },
  { id: "middle", tokenMs: 35, prefillMs: 120, loadMsPerMegabyte: 30, numParallel: 1, vramBytes: 200e6 },
  { id: "slow", tokenMs: 150, prefillMs: 600, loadMsPerMegabyte: 60, numParallel: 1, vramBytes: 0 },
] as const;

/** The first requests are not counted, for any policy: models load, and speeds are learned. */
const WARM_UP = 20;
const REQUESTS = WARM_UP + 40;
const PER_SECOND = 2;
/** The registry has asked every server for its models well within this. */
const READY_WITHIN_MS = 10_000;
const LOOK_AGAIN_MS = 50;

export type RealResult = {
  readonly policy: string;
  readonly meanMs: number;
  readonly p95Ms: number;
  readonly loads: number;
  readonly failed: number;
};

/** @returns one result per policy; or why nothing can be run here. */
export async function runRealFleet(seed: number): Promise<readonly RealResult[] | string> {
  const engine = engineAvailability();
  if (!engine.available) return engine.reason;
  const results: RealResult[] = [];
  for (const maker of [...BASELINES, ours]) results.push(await runPolicy(maker, seed));
  return results;
}

async function runPolicy(maker: PolicyMaker, seed: number): Promise<RealResult> {
  const toys: { readonly id: string; readonly toy: ToyOllama }[] = [];
  const probe = new HttpEndpointProbe(realClock);
  const registry = new EndpointRegistry({
    clock: realClock,
    random: seededRandom(seed),
    logger: silentLogger,
    probe,
    candidates: [],
  });
  try {
    // Ties go to the first of a list; which machine that is must not favour anybody.
    const order = [...MACHINES.keys()].map((index) => MACHINES[(index + seed) % MACHINES.length]);
    for (const machine of order) {
      if (machine === undefined) continue;
      const { id, numParallel, vramBytes, ...pace } = machine;
      const models = [SMALL, LARGE].map(({ name, sizeBytes }) => ({ name, sizeBytes }));
      const toy = await startToyOllama({ models, settings: { numParallel, vramBytes, pace } });
      toys.push({ id, toy });
      registry.add({ id, kind: "ollama", url: toy.url, origin: "config", vramBytes });
    }
    registry.start();
    await ready(registry);
    const lookahead = { needed: () => [] };
    const visible = { clock: realClock, directory: registry, fit: toyFit, lookahead, seed };
    const policy = maker.make(visible, { hosts: new Map() });
    const times = await Promise.all(workload(seed).map((request) => send(request, policy, registry)));
    const done = times
      .slice(WARM_UP)
      .filter((time) => time !== null)
      .toSorted((a, b) => a - b);
    const counters = await Promise.all(toys.map(({ toy }) => toy.counters()));
    return {
      policy: maker.name,
      meanMs: mean(done),
      p95Ms: done[Math.floor(done.length * 0.95)] ?? 0,
      loads: counters.reduce((sum, { loads }) => sum + loads, 0),
      failed: times.filter((time) => time === null).length,
    };
  } finally {
    registry.stop();
    for (const { toy } of toys) await toy.stop();
  }
}

async function ready(registry: EndpointRegistry): Promise<void> {
  const startMs = realClock.monotonicMs();
  const isReady = (): boolean =>
    registry.states().every(({ health, models }) => health.kind === "healthy" && models.length === 2);
  while (!isReady()) {
    if (realClock.monotonicMs() - startMs > READY_WITHIN_MS) throw new Error("the servers did not come up in time");
    await sleep(realClock, LOOK_AGAIN_MS);
  }
}

function workload(seed: number): readonly WorkloadRequest[] {
  const random = seededRandom(seed);
  let atMs = 0;
  return Array.from({ length: REQUESTS }, (_, id) => {
    atMs += (-Math.log(1 - random.next()) / PER_SECOND) * 1000;
    const outputTokens = 10 + Math.floor(random.next() * 40);
    const model = random.next() < 0.7 ? SMALL : LARGE;
    return { id, atMs, after: [], model, promptTokens: 60, expectedTokens: 30, outputTokens, noise: 1 };
  });
}

/** @returns milliseconds from when it was due to its last token; null when it failed. */
async function send(request: WorkloadRequest, policy: Policy, registry: EndpointRegistry): Promise<number | null> {
  await sleep(realClock, request.atMs);
  const startMs = realClock.monotonicMs();
  const choice = policy.choose(request, []);
  const url = registry.state(choice?.endpoint ?? "")?.endpoint.url;
  if (choice === null || url === undefined) return null;
  const ticket = registry.begin(choice.endpoint, request.model.name, CONTEXT_TOKENS);
  try {
    const reply = await chat(url, request);
    const totalMs = realClock.monotonicMs() - startMs;
    tell(policy, request, choice, reply, totalMs);
    ticket.end({ kind: "ok" });
    return totalMs;
  } catch (error) {
    ticket.end({ kind: "fault", reason: String(error) });
    return null;
  }
}

type Reply = {
  readonly load_duration?: number;
  readonly prompt_eval_count?: number;
  readonly prompt_eval_duration?: number;
  readonly eval_count?: number;
  readonly eval_duration?: number;
};

async function chat(url: string, { model, outputTokens }: WorkloadRequest): Promise<Reply> {
  const response = await fetch(`${url}/api/chat`, {
    method: "POST",
    body: JSON.stringify({
      model: model.name,
      messages: [{ role: "user", content: "Say something about sheep and dogs on a hill, at length." }],
      stream: false,
      options: { num_ctx: CONTEXT_TOKENS, num_predict: outputTokens },
    }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  // as: what /api/chat answers; a field that is missing counts as nothing measured
  return (await response.json()) as Reply;
}

function tell(policy: Policy, request: WorkloadRequest, choice: Choice, reply: Reply, totalMs: number): void {
  const { prompt_eval_count: promptTokens, eval_count: outputTokens } = reply;
  const ms = (nanoseconds: number | undefined): number => (nanoseconds ?? 0) / 1e6;
  const seen = {
    ...request,
    promptTokens: promptTokens ?? request.promptTokens,
    outputTokens: outputTokens ?? request.outputTokens,
  };
  policy.ended?.(
    seen,
    choice,
    {
      loadMs: ms(reply.load_duration),
      prefillMs: ms(reply.prompt_eval_duration),
      decodeMs: ms(reply.eval_duration),
    },
    totalMs,
  );
}

/** All machines are large enough for both models; only the one without a card runs them on the CPU. */
const toyFit: FitPlanner = {
  fit: (state: EndpointState) => ({
    kind: MACHINES.some(({ id, vramBytes }) => id === state.endpoint.id && vramBytes > 0) ? "fits" : "cpuOnly",
    needBytes: null,
    capacityBytes: null,
    spillRatio: 0,
    contextTokens: CONTEXT_TOKENS,
    reloads: false,
    reason: "both models fit everywhere",
  }),
};
