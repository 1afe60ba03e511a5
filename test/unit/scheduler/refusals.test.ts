import { describe, expect, it } from "vitest";
import type { EndpointState } from "#hw";
import type { RouteFit } from "../../../src/scheduler/fit-planner.ts";
import type { RouteRequest } from "../../../src/scheduler/route.ts";
import { GIB, loaded, model, request, state, world } from "./fleet-states.ts";

const fit = (rest: Partial<RouteFit>): { readonly fit: () => RouteFit } => ({
  fit: () => ({
    kind: "fits",
    needBytes: 20 * GIB,
    capacityBytes: 12 * GIB,
    spillRatio: 0,
    contextTokens: null,
    reloads: false,
    reason: "40 % of it would lie in RAM",
    ...rest,
  }),
});

type Case = {
  readonly when: string;
  readonly state: Partial<EndpointState>;
  readonly request?: Partial<RouteRequest>;
  readonly fit?: ReturnType<typeof fit>;
  readonly says: string;
};

const retryAtMs = 1_700_000_012_000;
const CASES: readonly Case[] = [
  {
    when: "its circuit is open",
    state: { health: { kind: "open", retryAtMs, reason: "connection refused", faults: 3 } },
    says: "takes no requests for 12 s more: connection refused",
  },
  {
    when: "it is half open and the one trial is under way",
    state: { health: { kind: "halfOpen", reason: "connection refused" }, inFlight: { "qwen3:8b": 1 } },
    says: "is being tried with one request: connection refused",
  },
  { when: "it was never reached", state: { health: { kind: "unknown" } }, says: "was never reached" },
  {
    when: "it failed for this request",
    state: {},
    request: { excluded: ["a"] },
    says: "failed for this request before",
  },
  { when: "it lacks the model", state: { models: [model("x:1b")] }, says: "has no model qwen3:8b" },
  {
    when: "its kind is not allowed",
    state: {},
    request: { kinds: ["anthropic"] },
    says: "endpoints of kind ollama are not allowed for it",
  },
  {
    when: "the model lacks tools",
    state: { models: [model("qwen3:8b", { capabilities: ["completion"] })] },
    request: { needs: ["tools"] },
    says: "qwen3:8b lacks tools",
  },
  {
    when: "the model lacks vision",
    state: {},
    request: { needs: ["vision"] },
    says: "qwen3:8b lacks vision",
  },
  {
    when: "the model was made for less context",
    state: { models: [model("qwen3:8b", { contextLength: 2_048 })] },
    says: "qwen3:8b was made for 2048 tokens of context; 4096 are needed",
  },
  {
    when: "the model does not fit",
    state: {},
    fit: fit({ kind: "tooLarge" }),
    says: "qwen3:8b does not fit: 20.0 GiB needed, 12.0 GiB free or to be freed",
  },
  {
    when: "the model would spill",
    state: {},
    fit: fit({ kind: "spills", spillRatio: 0.4 }),
    says: "qwen3:8b would run partly on the CPU: 20.0 GiB needed, 12.0 GiB free or to be freed",
  },
  {
    when: "the model has spilled already",
    state: { loaded: [loaded("qwen3:8b", { sizeBytes: 6 * GIB, vramBytes: 4 * GIB })] },
    says: "qwen3:8b would run partly on the CPU: 6.0 GiB with 4.0 GiB of it in VRAM",
  },
  {
    when: "all of the model lies in RAM beside a graphics card that another one is on",
    state: { loaded: [loaded("qwen3:8b", { vramBytes: 0 }), loaded("other:1b")] },
    says: "qwen3:8b would run partly on the CPU: 5.0 GiB with 0.0 GiB of it in VRAM",
  },
  {
    when: "the model runs in a cloud",
    state: { models: [model("qwen3:8b", { isRemote: true })] },
    request: { remoteModels: ["another:1b"] },
    says: "qwen3:8b runs in its vendor's cloud, and nobody named it",
  },
];

describe("an endpoint is refused with its reason", () => {
  it.each(CASES)("when $when", (each) => {
    const made = world([state("a", each.state)], each.fit === undefined ? {} : { fit: each.fit });

    const { chosen, candidates } = made.router.route(request(each.request));

    expect(chosen).toBeNull();
    expect(candidates).toHaveLength(1);
    expect(candidates[0]).toMatchObject({ endpoint: "a", refused: each.says, terms: null, totalMs: null });
  });

  it("when its list of allowed models does not name the model", () => {
    const made = world([state("a", { endpoint: { models: ["x:1b"] } })]);

    const { candidates } = made.router.route(request());

    expect(candidates[0]?.refused).toBe("is not to be used for qwen3:8b");
  });
});

describe("an endpoint is not refused", () => {
  it("when it is half open and nothing is under way there", () => {
    const made = world([state("a", { health: { kind: "halfOpen", reason: "refused" } })]);

    expect(made.router.route(request()).chosen?.endpoint).toBe("a");
  });

  it("when the request allows the spill, and then it is shown as one", () => {
    const made = world([state("a")], { fit: fit({ kind: "spills", spillRatio: 0.4 }) });

    const { chosen, candidates } = made.router.route(request({ allowSpill: true }));

    expect(chosen?.endpoint).toBe("a");
    expect(candidates[0]?.fit).toBe("spills");
  });

  it("when a cloud model was named, and then it needs no load", () => {
    const made = world([state("a", { models: [model("qwen3:8b", { isRemote: true })] })]);

    const { candidates } = made.router.route(request({ remoteModels: ["qwen3:8b"] }));

    expect(candidates[0]).toMatchObject({ refused: null, fit: "remote" });
    expect(candidates[0]?.terms?.loadMs).toBe(0);
  });

  it("when there is no graphics card and the model fits into RAM", () => {
    const made = world([state("a")], { fit: fit({ kind: "cpuOnly", spillRatio: 1, capacityBytes: 30 * GIB }) });

    expect(made.router.route(request()).chosen?.endpoint).toBe("a");
  });

  it("when its model is written without a tag", () => {
    const made = world([state("a", { models: [model("llama3.2:latest")] })]);

    expect(made.router.route(request({ models: ["llama3.2"] })).chosen?.model).toBe("llama3.2:latest");
  });
});

describe("a model is refused at an endpoint whose others are not", () => {
  const models = [model("qwen3:8b"), model("x:1b")];
  const chain = { models: ["qwen3:8b", "x:1b"] };

  it("when it failed there for this request", () => {
    const made = world([state("a", { models })]);

    const decision = made.router.route(request({ ...chain, excludedModels: [{ endpoint: "a", model: "qwen3:8b" }] }));

    expect(decision.chosen).toMatchObject({ endpoint: "a", model: "x:1b" });
    expect(decision.candidates.at(-1)?.refused).toBe("failed with qwen3:8b for this request before");
  });

  it("when it failed there again and again, and for a while only", () => {
    const open = { kind: "open", retryAtMs, reason: "out of memory", faults: 3 } as const;
    const made = world([state("a", { models, modelHealth: { "qwen3:8b": open } })]);

    const decision = made.router.route(request(chain));
    const alone = made.router.route(request());

    expect(decision.chosen).toMatchObject({ endpoint: "a", model: "x:1b" });
    expect(alone.chosen).toBeNull();
    expect(alone.retryAfterMs).toBe(12_000);
    expect(alone.reason).toContain("takes no requests for qwen3:8b for 12 s more: out of memory");
  });

  it("when it is being tried with one request", () => {
    const modelHealth = { "qwen3:8b": { kind: "halfOpen", reason: "out of memory" } } as const;
    const idle = world([state("a", { models, modelHealth })]);
    const busy = world([state("a", { models, modelHealth, inFlight: { "qwen3:8b": 1 } })]);

    expect(idle.router.route(request(chain)).chosen?.model).toBe("qwen3:8b");
    expect(busy.router.route(request(chain)).chosen?.model).toBe("x:1b");
  });
});
