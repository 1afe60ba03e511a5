import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LoadedModel } from "../../../../src/hw/endpoints/endpoint.ts";
import { Ledger, type LedgerEntry, MAX_TICKET_AGE_MS } from "../../../../src/hw/endpoints/ledger.ts";

const loaded = (name: string): LoadedModel => ({
  name,
  digest: null,
  sizeBytes: 5,
  vramBytes: 5,
  contextLength: 4_096,
  expiresAtMs: null,
});
const entry = (model: string, beganAtMs = 0, contextTokens: number | null = 8_192): LedgerEntry => ({
  model,
  beganAtMs,
  isTrial: false,
  isModelTrial: false,
  contextTokens,
});
const names = (ledger: Ledger, reported: readonly LoadedModel[] = []) =>
  ledger.loaded(reported, loaded).map(({ name }) => name);

describe("the ledger of requests", () => {
  it("counts a request from its beginning to its first end alone (L1, L2)", () => {
    const ledger = new Ledger();
    const [a, b] = [entry("m"), entry("m")];
    ledger.begin(a);
    ledger.begin(b);
    expect(ledger.counts()).toEqual({ m: 2 });

    expect(ledger.end(a, false, 1)).toBe(true);
    expect(ledger.end(a, false, 1)).toBe(false);
    expect(ledger.counts()).toEqual({ m: 1 });

    ledger.end(b, false, 2);
    expect(ledger.counts()).toEqual({});
    expect(ledger.total).toBe(0);
  });

  it("expects a model from its request on, with its context, until a later poll says otherwise (L3)", () => {
    const ledger = new Ledger();
    const request = entry("m", 100);
    ledger.begin(request);
    ledger.settle(1_000);
    expect(ledger.loaded([], loaded)).toEqual([{ ...loaded("m"), contextLength: 8_192, isExpected: true }]);

    ledger.end(request, false, 2_000);
    ledger.settle(1_999);
    expect(names(ledger)).toEqual(["m"]);

    ledger.settle(2_001);
    expect(names(ledger)).toEqual([]);
  });

  it("lets what the server reports stand in the place of what is expected", () => {
    const ledger = new Ledger();
    ledger.begin(entry("m"));

    expect(ledger.loaded([loaded("m"), loaded("other")], loaded)).toEqual([loaded("m"), loaded("other")]);
  });

  it("expects nothing of a request that failed, unless another is under way (L4)", () => {
    const ledger = new Ledger();
    const [a, b] = [entry("m"), entry("m")];
    ledger.begin(a);
    ledger.begin(b);

    ledger.end(a, true, 1);
    expect(names(ledger)).toEqual(["m"]);

    ledger.end(b, true, 2);
    expect(names(ledger)).toEqual([]);
  });

  it("keeps the context that was named when a later request leaves it to the server", () => {
    const ledger = new Ledger();
    ledger.begin(entry("m", 0, 16_384));
    ledger.begin(entry("m", 0, null));

    expect(ledger.loaded([], loaded)[0]?.contextLength).toBe(16_384);
  });

  it("ends what nobody ended, at its greatest age and not before (L5)", () => {
    const ledger = new Ledger();
    ledger.begin(entry("old", 0));
    ledger.begin(entry("young", 10));

    expect(ledger.expire(MAX_TICKET_AGE_MS - 1)).toEqual([]);
    expect(ledger.expire(MAX_TICKET_AGE_MS).map(({ model }) => model)).toEqual(["old"]);
    expect(ledger.counts()).toEqual({ young: 1 });
    expect(names(ledger)).toEqual(["young"]);
  });

  it("holds for every order of beginnings, ends and polls (L1, L2, L3)", () => {
    const act = fc.oneof(
      fc.record({ kind: fc.constant("begin" as const), model: fc.constantFrom("a", "b", "c") }),
      fc.record({ kind: fc.constant("end" as const), at: fc.nat(20), isFault: fc.boolean() }),
      fc.record({ kind: fc.constant("settle" as const) }),
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const ledger = new Ledger();
        const begun: LedgerEntry[] = [];
        const open = new Set<LedgerEntry>();
        let wrongEnds = 0;
        acts.forEach((one, nowMs) => {
          if (one.kind === "begin") {
            const request = entry(one.model, nowMs);
            ledger.begin(request);
            begun.push(request);
            open.add(request);
          } else if (one.kind === "end") {
            const request = begun[one.at];
            const counted = request !== undefined && ledger.end(request, one.isFault, nowMs);
            wrongEnds += Number(counted !== (request !== undefined && open.delete(request)));
          } else ledger.settle(nowMs);

          const counts: Record<string, number> = {};
          for (const { model } of open) counts[model] = (counts[model] ?? 0) + 1;
          expect(ledger.counts()).toEqual(counts);
          expect(names(ledger)).toEqual(expect.arrayContaining(Object.keys(counts)));
        });
        expect(wrongEnds).toBe(0);
        for (const request of open) ledger.end(request, false, acts.length);
        ledger.settle(acts.length + 1);
        expect(names(ledger)).toEqual([]);
      }),
    );
  });
});
