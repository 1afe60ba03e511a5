import { describe, expect, it } from "vitest";
import type { EndpointState } from "#hw";
import type { RouteFit } from "../../../src/scheduler/fit-planner.ts";
import { GIB, loaded, model, request, sample, state, world } from "./fleet-states.ts";

const fits: RouteFit = {
  kind: "fits",
  needBytes: 6 * GIB,
  capacityBytes: 8 * GIB,
  spillRatio: 0,
  contextTokens: 8_192,
  reloads: false,
  reason: "fits",
};

const measured = (fast: number, slow: number): ReturnType<typeof world> => {
  const states = [state("fast", { loaded: [loaded("qwen3:8b")] }), state("slow", { loaded: [loaded("qwen3:8b")] })];
  const made = world(states);
  made.speeds.observe(sample("fast", fast), 1);
  made.speeds.observe(sample("slow", slow), 1);
  return made;
};

const with1 = (made: { states: EndpointState[] }, index: number, change: Partial<EndpointState>): void => {
  const before = made.states[index];
  if (before !== undefined) made.states[index] = { ...before, ...change };
};

describe("the router", () => {
  it("sends a request where it will be done soonest by measured speeds, and shows every term", () => {
    const { router } = measured(100, 20);

    const { chosen, candidates, reason } = router.route(request());

    expect(chosen).toEqual({ endpoint: "fast", model: "qwen3:8b", contextTokens: null });
    expect(candidates.map(({ endpoint }) => endpoint)).toEqual(["fast", "slow"]);
    expect(candidates[0]).toMatchObject({ basis: "measured", fit: "loaded", refused: null });
    expect(candidates[0]?.terms?.decodeMs).toBeCloseTo(2_000, -1);
    expect(candidates[0]?.terms?.prefillMs).toBeCloseTo(1_000, -1);
    expect(candidates[0]?.terms).toMatchObject({ waitMs: 0, loadMs: 0, displacementMs: 0 });
    expect(reason).toMatch(/^qwen3:8b on fast: 3\.0 s expected .*; qwen3:8b on slow would take 11\.0 s$/);
  });

  it("prefers a slower endpoint once the faster one has so much in flight that waiting costs more", () => {
    const made = measured(100, 60);
    const endpoints: (string | undefined)[] = [];

    for (let sent = 0; sent < 3; sent++) {
      const endpoint = made.router.route(request()).chosen?.endpoint;
      endpoints.push(endpoint);
      const index = endpoint === "fast" ? 0 : 1;
      const count = endpoints.filter((each) => each === endpoint).length;
      with1(made, index, { inFlight: { "qwen3:8b": count } });
    }

    expect(endpoints).toEqual(["fast", "slow", "fast"]);
  });

  it("knows the slots that a server tells of itself, and goes elsewhere when they are taken", () => {
    const endpoint = { kind: "openai", parallel: null } as const;
    const made = world([state("fast", { endpoint, parallel: 1 }), state("slow", { endpoint, parallel: 1 })]);
    made.speeds.observe(sample("fast", 100), 1);
    made.speeds.observe(sample("slow", 60), 1);
    const asked = request({ kinds: ["openai"] });

    const first = made.router.route(asked).chosen?.endpoint;
    with1(made, 0, { inFlight: { "qwen3:8b": 1 } });
    const second = made.router.route(asked).chosen?.endpoint;

    expect([first, second]).toEqual(["fast", "slow"]);
  });

  it("counts what it has just sent before any poll, so that equal endpoints share a herd", () => {
    const made = world([state("a", { loaded: [loaded("qwen3:8b")] }), state("b", { loaded: [loaded("qwen3:8b")] })]);
    const counts = [0, 0];

    for (let sent = 0; sent < 10; sent++) {
      const index = made.router.route(request()).chosen?.endpoint === "a" ? 0 : 1;
      counts[index] = (counts[index] ?? 0) + 1;
      with1(made, index, { inFlight: { "qwen3:8b": counts[index] } });
    }

    expect(counts).toEqual([5, 5]);
  });

  it("remembers nothing when it only explains", () => {
    const made = measured(100, 20);

    const first = made.router.explain(request());
    for (let asked = 0; asked < 5; asked++) made.router.explain(request());

    expect(made.router.explain(request())).toEqual(first);
  });

  it("takes a loaded model over one that must be loaded, and a load over a long queue", () => {
    const made = world([state("cold"), state("warm", { loaded: [loaded("qwen3:8b")] })]);
    for (const id of ["cold", "warm"]) made.speeds.observe(sample(id, 50), 1);

    const calm = made.router.explain(request());
    with1(made, 1, { inFlight: { "qwen3:8b": 6 } });
    const crowded = made.router.explain(request());

    expect(calm.chosen?.endpoint).toBe("warm");
    expect(calm.candidates[1]?.terms?.loadMs).toBeGreaterThan(1_000);
    expect(crowded.chosen?.endpoint).toBe("cold");
  });

  it("keeps to an earlier model of the chain while anything can serve it", () => {
    const models = [model("small:1b"), model("big:70b", { sizeBytes: 40 * GIB })];
    const made = world([
      state("a", { models, loaded: [loaded("small:1b")] }),
      state("b", { models: [models[0] ?? model("small:1b")] }),
    ]);

    const both = made.router.explain(request({ models: ["big:70b", "small:1b"] }));
    with1(made, 0, { health: { kind: "open", retryAtMs: made.clock.nowMs() + 9_000, reason: "refused", faults: 3 } });
    const fallback = made.router.explain(request({ models: ["big:70b", "small:1b"] }));

    expect(both.chosen).toMatchObject({ endpoint: "a", model: "big:70b" });
    expect(both.reason).toContain("comes before small:1b");
    expect(fallback.chosen).toMatchObject({ endpoint: "b", model: "small:1b" });
  });

  it("stays with the endpoint that has the session's prefix in its cache", () => {
    const made = measured(50, 48);
    made.router.route(request({ session: "s", excluded: ["fast"] }));
    made.router.observed({
      endpoint: "slow",
      model: "qwen3:8b",
      session: "s",
      contextTokens: null,
      promptTokens: 3_000,
      completionTokens: 200,
      loadMs: null,
      prefillMs: 3_000,
      decodeMs: 4_000,
      totalMs: 7_000,
      predictedMs: null,
    });

    const same = made.router.explain(request({ session: "s", promptTokens: 3_200 }));
    const other = made.router.explain(request({ session: "t", promptTokens: 3_200 }));

    expect(same.chosen?.endpoint).toBe("slow");
    expect(other.chosen?.endpoint).toBe("fast");
  });

  it("credits no prefix to a model that was loaded anew, whether by our request or behind our back", () => {
    const ended = (made: ReturnType<typeof measured>, session: string, loadMs: number | null) =>
      made.router.observed({
        endpoint: "slow",
        model: "qwen3:8b",
        session,
        contextTokens: null,
        promptTokens: 3_000,
        completionTokens: 200,
        loadMs,
        prefillMs: 3_000,
        decodeMs: 4_000,
        totalMs: 7_000,
        predictedMs: null,
      });
    const ask = (session: string) => request({ session, promptTokens: 3_200, excluded: ["fast"] });
    const prefillMs = (made: ReturnType<typeof measured>) =>
      made.router.explain(ask("s")).candidates[0]?.terms?.prefillMs ?? 0;
    const withSlots = () => {
      const made = measured(50, 48);
      for (const at of [0, 1])
        with1(made, at, { endpoint: { ...state("slow").endpoint, id: ["fast", "slow"][at] ?? "", parallel: 2 } });
      made.router.route(ask("s"));
      ended(made, "s", null);
      return made;
    };
    const kept = withSlots();
    const behind = withSlots();

    for (const [made, loadMs] of [
      [kept, null],
      [behind, 4_000],
    ] as const) {
      made.router.route(ask("t"));
      ended(made, "t", loadMs);
    }

    expect(prefillMs(behind)).toBeGreaterThan(4 * prefillMs(kept));
  });

  it("counts strangers' requests and the penalty after a 503 as waiting", () => {
    const made = measured(100, 60);

    const before = made.router.explain(request());
    with1(made, 0, { penalty: 4 });
    const penalised = made.router.explain(request());
    with1(made, 0, { penalty: 0, outsiders: 4 });
    const shared = made.router.explain(request());

    expect(before.chosen?.endpoint).toBe("fast");
    expect(penalised.chosen?.endpoint).toBe("slow");
    expect(shared.chosen?.endpoint).toBe("slow");
  });

  it("goes on counting in a queue that is longer than it follows one by one", () => {
    const made = measured(100, 60);

    const waits = [40, 60, 200, 1_000].map((count) => {
      with1(made, 0, { inFlight: { "qwen3:8b": count } });
      return made.router.explain(request()).candidates.find(({ endpoint }) => endpoint === "fast")?.terms?.waitMs ?? 0;
    });

    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect((waits[3] ?? 0) / (waits[2] ?? 1)).toBeGreaterThan(4);
  });

  it("lets a vendor's service answer models side by side, without loads", () => {
    const models = [model("claude-a"), model("claude-b")];
    const claude = state("claude", {
      endpoint: { kind: "anthropic", parallel: null },
      models,
      inFlight: { "claude-b": 3 },
    });
    const made = world([claude]);

    const { candidates } = made.router.route(request({ models: ["claude-a"], kinds: ["anthropic"] }));

    expect(candidates[0]).toMatchObject({ fit: "remote", terms: { waitMs: 0, loadMs: 0, displacementMs: 0 } });
  });

  it("charges for evicting a model that the queue needs next", () => {
    const models = [model("qwen3:8b"), model("other:8b")];
    const full = { kind: "fits", needBytes: 6 * GIB, capacityBytes: 8 * GIB } as const;
    const fit = { fit: () => ({ ...full, spillRatio: 0, contextTokens: null, reloads: false, reason: "" }) };
    const states = [
      state("holds-needed", { models, loaded: [loaded("other:8b")] }),
      state("holds-stale", { models: [model("qwen3:8b"), model("stale:8b")], loaded: [loaded("stale:8b")] }),
    ];
    const lookahead = { needed: () => [{ model: "other:8b", inMs: 1_000, count: 3 }] };
    const made = world(states, { fit, lookahead });

    const { chosen, candidates } = made.router.explain(request());

    expect(chosen?.endpoint).toBe("holds-stale");
    expect(candidates.find(({ endpoint }) => endpoint === "holds-needed")?.terms?.displacementMs).toBeGreaterThan(
      1_000,
    );
    expect(candidates[0]?.terms?.displacementMs).toBe(0);
  });

  it("loads the pinned context that the fit names", () => {
    const made = world([state("a")], { fit: { fit: () => fits } });

    const { chosen } = made.router.explain(request());

    expect(chosen).toEqual({ endpoint: "a", model: "qwen3:8b", contextTokens: 8_192 });
  });

  it("learns from replies how long the next will take, and how far it was off", () => {
    const made = world([state("a", { loaded: [loaded("qwen3:8b")] })]);
    const first = made.router.route(request());

    with1(made, 0, { inFlight: { "qwen3:8b": 1 } });
    made.clock.advance(21_000);
    made.router.observed({
      endpoint: "a",
      model: "qwen3:8b",
      session: null,
      contextTokens: null,
      promptTokens: 1_000,
      completionTokens: 200,
      loadMs: null,
      prefillMs: 1_000,
      decodeMs: 20_000,
      totalMs: 21_000,
      predictedMs: first.candidates[0]?.totalMs ?? null,
    });
    with1(made, 0, { inFlight: {} });
    const second = made.router.explain(request());

    expect(second.candidates[0]).toMatchObject({ basis: "measured" });
    expect(second.candidates[0]?.totalMs).toBeCloseTo(21_000, -2);
    expect(made.router.accuracy()).toMatchObject({ samples: 1 });
    expect(made.router.accuracy().meanAbsoluteErrorRatio).toBeGreaterThan(0.3);
  });

  it("says when to ask again if nothing can take a request yet", () => {
    const made = world([state("a")]);
    with1(made, 0, { health: { kind: "open", retryAtMs: made.clock.nowMs() + 8_000, reason: "refused", faults: 3 } });

    const decision = made.router.route(request());

    expect(decision.chosen).toBeNull();
    expect(decision.retryAfterMs).toBe(8_000);
    expect(decision.reason).toBe("nothing can take it: a takes no requests for 8 s more: refused");
  });
});
