import { describe, expect, it } from "vitest";
import { MAX_PREWARMS_PER_MINUTE, type PrewarmEndpoint, planPrewarms } from "../../../src/scheduler/prewarm.ts";

function at(endpoint: string, rest: Partial<PrewarmEndpoint> = {}): PrewarmEndpoint {
  const offers = ["a", "b", "c"].map((model) => ({
    model,
    bytes: 4,
    loadMs: 2_000,
    contextTokens: 8_192,
  }));
  return { endpoint, isLoading: false, capacityBytes: 10, loaded: [], offers, ...rest };
}

const held = (model: string, isBusy = false): PrewarmEndpoint["loaded"][number] => ({ model, bytes: 4, isBusy });
const need = (model: string, inMs: number, count = 1): { model: string; inMs: number; count: number } => ({
  model,
  inMs,
  count,
});

describe("loading ahead", () => {
  it("loads what the next task needs where it is quickest", () => {
    const slow = at("slow", { offers: [{ model: "a", bytes: 4, loadMs: 9_000, contextTokens: null }] });

    expect(planPrewarms([need("a", 5_000)], [slow, at("quick")], [], 0)).toEqual([
      { endpoint: "quick", model: "a", contextTokens: 8_192, evicts: [], reason: "a task needs it in 5 s" },
    ]);
  });

  it("leaves alone what is in memory somewhere, and what is needed in the distant future (W1)", () => {
    const endpoints = [at("x", { loaded: [held("a")] }), at("y")];

    expect(planPrewarms([need("a", 5_000), need("b", 3_600_000)], endpoints, [], 0)).toEqual([]);
  });

  it("evicts an idle model that nobody needs, before one that is needed later", () => {
    const endpoint = at("x", { loaded: [held("a"), held("b")] });

    const [plan] = planPrewarms([need("c", 5_000, 3), need("a", 60_000)], [endpoint], [], 0);

    expect(plan).toMatchObject({ model: "c", evicts: ["b"], reason: "3 tasks need it in 5 s; b makes room" });
  });

  it("evicts nothing that is busy or needed sooner (W2)", () => {
    const busy = at("x", { loaded: [held("a", true), held("b", true)] });
    const sooner = at("x", { loaded: [held("a"), held("b")] });

    expect(planPrewarms([need("c", 5_000)], [busy], [], 0)).toEqual([]);
    expect(planPrewarms([need("a", 1_000), need("b", 2_000), need("c", 5_000)], [sooner], [], 0)).toEqual([]);
  });

  it("loads nothing where memory is not known and something is busy or needed sooner (W2)", () => {
    const unknown = (...loaded: PrewarmEndpoint["loaded"]) => at("x", { capacityBytes: null, loaded });
    const needs = [need("a", 1_000), need("c", 5_000)];
    const planned = (endpoint: PrewarmEndpoint) => planPrewarms(needs, [endpoint], [], 0).map(({ model }) => model);

    expect(planned(unknown(held("a")))).toEqual([]);
    expect(planned(unknown(held("a"), held("b", true)))).toEqual([]);
    expect(planned(unknown(held("b")))).toEqual(["a"]);
  });

  it("loads what is in memory only where requests cannot use it (W1)", () => {
    const useless = at("x", { loaded: [{ ...held("a"), isUseless: true }] });

    expect(planPrewarms([need("a", 1_000)], [useless, at("y")], [], 0)).toMatchObject([{ endpoint: "x", model: "a" }]);
  });

  it("begins one load per endpoint and none where one is under way (W3)", () => {
    const needs = [need("a", 1_000), need("b", 2_000)];

    expect(planPrewarms(needs, [at("x")], [], 0).map(({ model }) => model)).toEqual(["a"]);
    expect(planPrewarms(needs, [at("x", { isLoading: true })], [], 0)).toEqual([]);
    expect(planPrewarms(needs, [at("x"), at("y")], [], 0).map(({ endpoint }) => endpoint)).toEqual(["x", "y"]);
  });

  it("keeps to so many loads a minute (W3)", () => {
    const started = Array.from({ length: MAX_PREWARMS_PER_MINUTE }, (_, index) => 10_000 + index);

    expect(planPrewarms([need("a", 1_000)], [at("x")], started, 60_000)).toEqual([]);
    expect(planPrewarms([need("a", 1_000)], [at("x")], started, 70_000)).toHaveLength(1);
  });
});
