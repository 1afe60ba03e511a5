import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "#base";
import { betterPlace, FailingNodes, Homes, type NodeFacts, type Places } from "#fleet";
import { FAILURES, FIRST_BACK_OFF_MS, MAX_BACK_OFF_MS, PASSES_ELSEWHERE } from "../../../src/fleet/failing-nodes.ts";
import { FOLDER_SECONDS, MAX_ATTEMPT_SECONDS, MIN_ATTEMPT_SECONDS } from "../../../src/fleet/homes.ts";
import { HEARD_WITHIN_MS, MIN_GAIN_RATIO, MIN_GAIN_SECONDS } from "../../../src/fleet/placement.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(3));
const [A, B, C] = [ids.node(), ids.node(), ids.node()];
const PROMPT = "a class of prompts";
const prompt = { requirements: PROMPT, kind: "model" as const };
const shell = { requirements: "a class of commands", kind: "shell" as const };

function places(free: number, total = 4): Places {
  return { free, total };
}

function facts(node: NodeId, seconds?: number, over: Partial<NodeFacts> = {}): NodeFacts {
  return {
    node,
    name: node === A ? "a" : node === B ? "b" : "c",
    takesWork: true,
    silentMs: 1_000,
    places: { shell: places(4), model: places(4) },
    expectedSeconds: new Map(seconds === undefined ? [] : [[PROMPT, seconds]]),
    ...over,
  };
}

describe("a node leaves prompts", () => {
  const cold = facts(A, 30);
  const table: readonly (readonly [string, NodeFacts, NodeFacts, NodeId | undefined])[] = [
    ["for one that has the model warm", cold, facts(B, 4), B],
    ["for nobody when it is the warm one", facts(A, 4), facts(B, 30), undefined],
    ["for nobody who is only a second sooner", facts(A, 3), facts(B, 2), undefined],
    ["for nobody who is sooner by less than a quarter", facts(A, 100), facts(B, 80), undefined],
    ["for nobody who says nothing", cold, facts(B), undefined],
    ["for nobody when it says nothing itself", facts(A), facts(B, 4), undefined],
    ["for nobody who takes no work", cold, facts(B, 4, { takesWork: false }), undefined],
    ["for nobody who was silent", cold, facts(B, 4, { silentMs: HEARD_WITHIN_MS }), undefined],
    [
      "for nobody without a free place",
      cold,
      facts(B, 4, { places: { shell: places(4), model: places(0) } }),
      undefined,
    ],
    ["for nobody whose places are not known", cold, facts(B, 4, { places: undefined }), undefined],
  ];
  it.each(table)("%s", (_what, asking, other, to) => {
    expect(betterPlace(asking, prompt, [asking, other])?.to).toBe(to);
  });

  it("for the soonest of several, and says why", () => {
    expect(betterPlace(cold, prompt, [facts(B, 9), facts(C, 4), cold])).toEqual({
      to: C,
      why: "c is expected to do it in 4.0 s, a in 30 s",
    });
  });
});

describe("PL4: a node leaves a prompt of which something was left elsewhere", () => {
  const home = (node: NodeId, lossSeconds: number) => ({ node, what: "its checkpoint", lossSeconds });
  const table = [
    ["when there is more to lose than to gain", facts(A, 3), facts(B, 10), home(B, 30), B],
    ["not when it is sooner by more than is lost", facts(A, 3), facts(B, 90), home(B, 30), undefined],
    ["when nobody knows how long it takes", facts(A), facts(B), home(B, 30), B],
    ["not when next to nothing is lost", facts(A), facts(B), home(B, 1), undefined],
    ["not when that node does not take work", facts(A, 3), facts(B, 3, { takesWork: false }), home(B, 30), undefined],
    ["not when it was left here", facts(A, 30), facts(B, 4), home(A, 60), undefined],
    ["to a third that is sooner still", facts(A, 90), facts(B, 2), home(C, 30), B],
  ] as const;
  it.each(table)("%s", (_what, asking, other, where, to) => {
    expect(betterPlace(asking, { ...prompt, home: where }, [asking, other])?.to).toBe(to);
  });

  it("and says what it counts", () => {
    expect(betterPlace(facts(A, 3), { ...prompt, home: home(B, 30) }, [facts(B, 10)])?.why).toBe(
      "b is expected to do it in 10 s, a in 3.0 s and 30 s for its checkpoint, which it lacks",
    );
  });
});

describe("PL4: a node leaves a command of which something was left elsewhere", () => {
  const of = (node: NodeId, free: number) => facts(node, 1, { places: { shell: places(free), model: places(4) } });
  const home = (node: NodeId) => ({ node, what: "the folder /work", lossSeconds: 30 });
  it.each([
    ["to that node", of(A, 4), of(B, 2), home(B), B],
    ["not when that node is nearly full", of(A, 4), of(B, 1), home(B), undefined],
    ["not when that node has no place", of(A, 4), of(B, 0), home(B), undefined],
    ["not when it was left here, though it is nearly full", of(A, 1), of(B, 4), home(A), undefined],
  ] as const)("%s", (_what, asking, other, where, to) => {
    expect(betterPlace(asking, { ...shell, home: where }, [asking, other])?.to).toBe(to);
  });
});

describe("homes", () => {
  const [task, other] = [ids.task(), ids.task()];

  it("know where an attempt ran that another one is to follow, and what it had come to", () => {
    const homes = new Homes();
    homes.began(task, A, 1_000);
    const running = homes.of(task, undefined);
    homes.waits(task, 61_000);
    const waits = homes.of(task, undefined);
    homes.began(task, A, 70_000);
    homes.waits(task, 90_000);

    expect(running).toBeUndefined();
    expect(waits).toMatchObject({ node: A, lossSeconds: 60 });
    expect(homes.of(task, undefined)?.lossSeconds).toBe(80);
    expect([...homes.waitingFor(A)]).toEqual([task]);
  });

  it("bound what an attempt is worth, and begin anew with it on another node", () => {
    const homes = new Homes();
    homes.began(task, A, 0);
    homes.waits(task, 3_600_000);
    const long = homes.of(task, undefined);
    homes.began(task, B, 3_600_000);
    homes.waits(task, 3_600_001);

    expect(long).toMatchObject({ node: A, lossSeconds: MAX_ATTEMPT_SECONDS });
    expect(homes.of(task, undefined)).toMatchObject({ node: B, lossSeconds: MIN_ATTEMPT_SECONDS });
    expect([homes.waitingFor(A).size, homes.waitingFor(B).size]).toEqual([0, 1]);
  });

  it("know the node that used a folder last, and add it to what an attempt left there", () => {
    const homes = new Homes();
    homes.used("/work", A);
    homes.used("/work", B);
    homes.began(task, B, 0);
    homes.waits(task, 10_000);

    expect(homes.of(other, "/work")).toMatchObject({ node: B, lossSeconds: FOLDER_SECONDS });
    expect(homes.of(other, "/elsewhere")).toBeUndefined();
    expect(homes.of(task, "/work")?.lossSeconds).toBe(10 + FOLDER_SECONDS);
  });

  it("forget a task that has ended and a node that was removed", () => {
    const homes = new Homes();
    for (const id of [task, other]) {
      homes.began(id, A, 0);
      homes.waits(id, 10_000);
    }
    homes.used("/work", A);
    homes.forget(task);
    const left = [...homes.waitingFor(A)];
    homes.drop(A);

    expect(left).toEqual([other]);
    expect([homes.of(other, "/work"), homes.waitingFor(A).size, homes.isEmpty]).toEqual([undefined, 0, true]);
  });
});

describe("a node leaves commands", () => {
  const of = (node: NodeId, free: number) => facts(node, 1, { places: { shell: places(free), model: places(4) } });
  it.each([
    ["nearly full, to one that is nearly idle", of(A, 1), of(B, 4), B],
    ["half full, to nobody", of(A, 2), of(B, 4), undefined],
    ["nearly full, to nobody who is half full", of(A, 1), of(B, 2), undefined],
  ] as const)("%s", (_what, asking, other, to) => {
    expect(betterPlace(asking, shell, [asking, other])?.to).toBe(to);
  });
});

describe("the rule of placement, whatever nodes say", () => {
  const node = fc.record({
    takesWork: fc.boolean(),
    silentMs: fc.nat(30_000),
    free: fc.nat(4),
    seconds: fc.option(fc.nat(100)),
    knows: fc.boolean(),
  });
  const fleets = fc.array(node, { minLength: 1, maxLength: 6 }).map((all) =>
    all.map(({ takesWork, silentMs, free, seconds, knows }, index): NodeFacts => {
      const name = `n${index}`;
      const known = { shell: places(free), model: places(free) };
      return {
        node: NAMES[index] ?? A,
        name,
        takesWork,
        silentMs,
        places: knows ? known : undefined,
        expectedSeconds: new Map(seconds === null ? [] : [[PROMPT, seconds]]),
      };
    }),
  );
  const NAMES = Array.from({ length: 6 }, () => ids.node());

  it("PL2: work is left only for a node that is there, takes work and has a free place, and really gains", () => {
    fc.assert(
      fc.property(fleets, fc.constantFrom(prompt, shell), (nodes, work) => {
        for (const asking of nodes) {
          const to = betterPlace(asking, work, nodes)?.to;
          if (to === undefined) continue;
          const other = nodes.find((each) => each.node === to);
          expect(to).not.toBe(asking.node);
          expect(other?.takesWork).toBe(true);
          expect(other?.silentMs).toBeLessThan(HEARD_WITHIN_MS);
          expect(other?.places?.[work.kind].free).toBeGreaterThan(0);
          if (work.kind !== "model") continue;
          const here = asking.expectedSeconds.get(PROMPT) ?? Number.NaN;
          const gain = here - (other?.expectedSeconds.get(PROMPT) ?? Number.NaN);
          expect(gain).toBeGreaterThanOrEqual(Math.max(MIN_GAIN_SECONDS, MIN_GAIN_RATIO * here));
        }
      }),
    );
  });

  it("leaves no work that every node leaves for another, and does not depend on their order", () => {
    fc.assert(
      fc.property(fleets, fc.constantFrom(prompt, shell), (nodes, work) => {
        const left = nodes.map((asking) => betterPlace(asking, work, nodes)?.to);
        expect(left).toContain(undefined);
        expect(nodes.map((asking) => betterPlace(asking, work, nodes.toReversed())?.to)).toEqual(left);
      }),
    );
  });
});

describe("a node on which everything fails", () => {
  function failing(passes = PASSES_ELSEWHERE, failures = FAILURES): FailingNodes {
    const nodes = new FailingNodes();
    nodes.ended(A, "failed", 0);
    for (let count = 0; count < passes; count += 1) nodes.passedSomewhere();
    for (let count = 1; count < failures; count += 1) nodes.ended(A, "failed", 0);
    return nodes;
  }

  it("FN1: gets nothing for a while when others pass, and it is said why", () => {
    expect(failing().backOff(A, 0)).toEqual({
      untilMs: FIRST_BACK_OFF_MS,
      reason: `its last ${FAILURES} attempts failed while ${PASSES_ELSEWHERE} passed elsewhere`,
    });
    expect(failing().backOff(B, 0)).toBeUndefined();
  });

  it("FN1: goes on when it failed less often, or when nothing passes anywhere", () => {
    expect(failing(PASSES_ELSEWHERE, FAILURES - 1).backOff(A, 0)).toBeUndefined();
    expect(failing(PASSES_ELSEWHERE - 1).backOff(A, 0)).toBeUndefined();
  });

  it("FN2: gets work again, each time after twice as long up to a limit, and a pass forgives all", () => {
    const nodes = failing();
    let nowMs = FIRST_BACK_OFF_MS;
    expect(nodes.backOff(A, nowMs)).toBeUndefined();

    const waits = Array.from({ length: 8 }, () => {
      nodes.ended(A, "timed_out", nowMs);
      const waitMs = (nodes.backOff(A, nowMs)?.untilMs ?? nowMs) - nowMs;
      nowMs += waitMs;
      return waitMs;
    });
    nodes.ended(A, "passed", nowMs);
    nodes.ended(A, "failed", nowMs);

    expect(waits.slice(0, 3)).toEqual([2, 4, 8].map((times) => times * FIRST_BACK_OFF_MS));
    expect(waits.at(-1)).toBe(MAX_BACK_OFF_MS);
    expect(nodes.backOff(A, nowMs)).toBeUndefined();
  });

  it("is not judged by what was cancelled, nor put off longer by attempts that ran already", () => {
    const nodes = failing(PASSES_ELSEWHERE, FAILURES - 1);
    nodes.ended(A, "cancelled", 0);
    expect(nodes.backOff(A, 0)).toBeUndefined();
    nodes.ended(A, "failed", 0);
    nodes.ended(A, "failed", 1);
    expect(nodes.backOff(A, 1)?.untilMs).toBe(FIRST_BACK_OFF_MS);
  });
});
