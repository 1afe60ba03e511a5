/** The conversation stays within its context, whatever tokenizer the server has. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compact } from "../../../../src/execution/loop/compaction.ts";
import {
  digestTurn,
  headAndTail,
  observationTurn,
  plainTurn,
  replyTurn,
  type Turn,
  unitsOfTurns,
} from "../../../../src/execution/loop/conversation.ts";
import { learn, NEW_GAUGE, tokensOf, unitsOf } from "../../../../src/execution/loop/token-gauge.ts";
import { reads, runLoop, runs, world, writes } from "./loop-world.ts";
import { charsOf } from "./scripted-model.ts";
import { answer, ToyTools } from "./toy-tools.ts";

const ROUNDS = 200;
const unlimited = { iterations: ROUNDS + 1, tokens: Number.MAX_SAFE_INTEGER };
const noise = (index: number, chars: number): string => {
  let text = "";
  for (let line = 0; text.length < chars; line += 1)
    text += `line ${line} of result ${index}: ${(index * 7_919 + line * 104_729) % 99_991}\n`;
  return text.slice(0, chars);
};

describe("a loop of 200 rounds", () => {
  it.each([
    [4_096, 4],
    [4_096, 2.9],
    [8_192, 4.5],
    [8_192, 2.9],
    [8_192, 3.5],
  ])(
    "never sends more than a context of %i tokens holds, at %f characters a token",
    async (contextTokens, charsPerToken) => {
      const sizes = [100, 40_000, 2_000, 800, 12_000, 30];
      const tools = new ToyTools();
      tools.command = (command) => answer(noise(Number(command), sizes[Number(command) % sizes.length] ?? 0));
      let most = 0;
      const w = world(
        (request, index) => {
          const promptTokens = Math.ceil(charsOf(request) / charsPerToken);
          most = Math.max(most, promptTokens + (request.options?.maxTokens ?? 0));
          const usage = { promptTokens, completionTokens: 50 };
          if (index === ROUNDS) return { text: "I have finished.", usage };
          const act = index % 3 === 0 ? writes(`${index}.txt`, noise(index, 3_000)) : runs(String(index));
          return { ...act, text: `Step ${index}`, usage };
        },
        { contextTokens, limits: unlimited, tools, task: `Do it.\n${noise(0, 2_000)}` },
      );

      const outcome = await runLoop(w);

      expect(outcome.end).toEqual({ kind: "final" });
      expect(w.model.asked).toBe(ROUNDS + 1);
      expect(most).toBeLessThanOrEqual(contextTokens);
      expect(most).toBeGreaterThan(contextTokens * 0.4);
      for (const { messages } of w.model.requests) {
        expect(messages[0]?.role).toBe("system");
        expect(messages[1]?.content.startsWith("Do it.")).toBe(true);
        expect(orphans(messages)).toEqual([]);
      }
      expect(w.steps.some(({ kind }) => kind === "compacted")).toBe(true);
      expect(w.steps.some(({ kind }) => kind === "promptCut")).toBe(false);
    },
  );

  it("keeps the last observation whole while older ones give way", async () => {
    const tools = new ToyTools();
    tools.command = (command) => answer(`begin ${command} ${noise(Number(command), 2_000)} end`);
    const w = world((_, index) => (index < 30 ? runs(String(index)) : { text: "Done." }), {
      contextTokens: 4_096,
      limits: unlimited,
      tools,
    });

    await runLoop(w);

    const last = w.model.requests
      .slice(1)
      .map(({ messages }) => messages.findLast(({ role }) => role === "tool")?.content);
    expect(last).toEqual(last.map((_, index) => `begin ${index} ${noise(index, 2_000)} end`));
    expect(last).toHaveLength(30);
  });
});

function orphans(
  messages: readonly {
    readonly role: string;
    readonly toolCallId?: string;
    readonly toolCalls?: readonly { readonly id: string }[];
  }[],
): readonly string[] {
  const called = messages.flatMap(({ toolCalls = [] }) => toolCalls.map(({ id }) => id));
  const answered = messages.flatMap(({ toolCallId }) => (toolCallId === undefined ? [] : [toolCallId]));
  return [...called.filter((id) => !answered.includes(id)), ...answered.filter((id) => !called.includes(id))];
}

const text = fc.integer({ min: 0, max: 30_000 }).map((chars) => noise(chars, chars));
const exchange = fc.record({
  content: fc.string({ maxLength: 500 }),
  outputs: fc.array(text, { maxLength: 4 }),
  argument: text,
});
const conversations = fc.array(exchange, { maxLength: 12 }).map((exchanges): readonly Turn[] => [
  plainTurn("system", "rules"),
  plainTurn("task", "the task"),
  ...exchanges.flatMap(({ content, outputs, argument }, turn): Turn[] => [
    replyTurn(
      content,
      outputs.map((_, n) => ({ id: `${turn}.${n}`, name: "write_file", arguments: { path: "a", content: argument } })),
    ),
    ...outputs.map((output, n) =>
      observationTurn({
        callId: `${turn}.${n}`,
        tool: "write_file",
        content: output,
        summary: output.slice(0, 100),
        level: "whole",
      }),
    ),
    ...(turn % 5 === 4 ? [plainTurn("correction", "correct it")] : []),
  ]),
]);

describe("compaction", () => {
  it("fits every conversation into every budget that holds the task, with calls and observations in pairs", () => {
    fc.assert(
      fc.property(conversations, fc.integer({ min: 400, max: 20_000 }), (turns, budget) => {
        const { turns: kept, fits } = compact(turns, budget);

        expect(fits).toBe(true);
        expect(unitsOfTurns(kept)).toBeLessThanOrEqual(budget);
        expect(kept.slice(0, 2)).toEqual(turns.slice(0, 2));
        const calls = kept.flatMap((turn) => (turn.kind === "reply" ? turn.calls.map(({ id }) => id) : []));
        const answers = kept.flatMap((turn) => (turn.kind === "observation" ? [turn.callId] : []));
        expect(calls).toEqual(answers);
        const corrections = turns.filter(({ kind }) => kind === "correction").length;
        expect(kept.some(({ kind }) => kind === "correction")).toBe(corrections > 0);
      }),
      { numRuns: 150 },
    );
  });

  it("touches nothing that fits", () => {
    const turns = [plainTurn("system", "rules"), plainTurn("task", "task")];

    expect(compact(turns, 1_000).turns).toBe(turns);
  });

  it("names every observation that is no longer whole, and only those", () => {
    fc.assert(
      fc.property(conversations, fc.integer({ min: 400, max: 20_000 }), (turns, budget) => {
        const { turns: kept, fadedIds } = compact(turns, budget);
        const whole = kept.flatMap((turn) =>
          turn.kind === "observation" && turn.level === "whole" ? [turn.callId] : [],
        );
        const all = turns.flatMap((turn) => (turn.kind === "observation" ? [turn.callId] : []));

        expect(new Set([...whole, ...fadedIds])).toEqual(new Set(all));
        expect(whole.filter((id) => fadedIds.includes(id))).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it("shortens a task that is longer than the context at its middle, and says when that is not enough", () => {
    const long = [plainTurn("system", "rules"), plainTurn("task", `begin ${noise(1, 50_000)} end`)];

    const short = compact(long, 1_000);
    const task = short.turns[1];

    expect(short.fits).toBe(true);
    expect(task?.kind === "task" && /^begin[\s\S]*left out[\s\S]*end$/.test(task.content)).toBe(true);
    expect(compact(long, 50).fits).toBe(false);
  });

  it("sums up dropped calls in a digest of bounded length", () => {
    let turns: readonly Turn[] = [plainTurn("system", "rules"), plainTurn("task", "task")];
    for (let index = 0; index < 200; index += 1) {
      const call = { id: `${index}`, name: "read_file", arguments: { path: `${index}` } };
      const seen = observationTurn({
        callId: `${index}`,
        tool: "read_file",
        content: noise(index, 900),
        summary: `read ${index}`,
        level: "whole",
      });
      turns = compact([...turns, replyTurn("", [call]), seen], 2_000).turns;
    }

    const digest = turns.find(({ kind }) => kind === "digest");

    expect(digest?.kind === "digest" ? digest.lines.length : 0).toBe(24);
    expect(digest?.kind === "digest" ? digest.dropped : 0).toBeGreaterThan(150);
    expect(unitsOfTurns([digestTurn(["x".repeat(120)], 1)])).toBeLessThan(70);
  });

  it("keeps three quarters of the beginning and one of the end, and never half a character", () => {
    const cut = headAndTail(`${"a".repeat(1_000)}${"z".repeat(1_000)}`, 400);

    expect(cut.length).toBeLessThanOrEqual(400);
    expect(cut.match(/a/g)?.length ?? 0).toBeGreaterThan((cut.match(/z/g)?.length ?? 0) * 2.5);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), (maxChars) => {
        const shortened = headAndTail("🐕".repeat(200), maxChars);

        expect(shortened.length).toBeLessThanOrEqual(maxChars);
        expect(shortened.isWellFormed() || maxChars < 60).toBe(true);
      }),
    );
  });
});

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** As Ollama does: system and latest messages stay. */
function keptBy(tokens: readonly number[], real: number): number {
  const [system = 0, ...rest] = tokens;
  while (system + sum(rest) > real && rest.length > 1) rest.shift();
  return system + sum(rest);
}

describe("the token gauge", () => {
  it("believes at once that a text costs more than estimated, and slowly that it costs less", () => {
    expect(learn(NEW_GAUGE, 1_000, 2_000, "s").gauge.factor).toBe(2);
    expect(learn(NEW_GAUGE, 1_000, 900, "s").gauge.factor).toBeGreaterThan(1.1);
    expect(tokensOf(NEW_GAUGE, unitsOf("语言模型"))).toBeGreaterThanOrEqual(4);
  });

  it("finds a prompt cut when far fewer tokens are reported than were sent", () => {
    const { cut, gauge } = learn(NEW_GAUGE, 8_000, 4_096, "s");

    expect(cut).toEqual({ expectedTokens: 9_600, seenTokens: 4_096 });
    expect(gauge.cutAtTokens).toBe(4_096);
  });

  it("takes a small report for a cache that is left out, then and from there on", () => {
    const first = learn(NEW_GAUGE, 8_000, 120, "s");
    const second = learn(first.gauge, 8_000, 4_096, "s");

    expect([first.cut, second.cut]).toEqual([undefined, undefined]);
    expect(first.gauge.factor).toBe(NEW_GAUGE.factor);
  });

  it("finds a prompt cut when the report stops growing, however small the steps, and on the same server only", () => {
    let gauge = learn(NEW_GAUGE, 3_000, 3_300, "s").gauge;
    const cuts: unknown[] = [];
    for (let units = 3_200; units <= 3_800; units += 200) {
      const next = learn(gauge, units, 3_310, "s");
      gauge = next.gauge;
      cuts.push(next.cut?.seenTokens);
    }
    const elsewhere = learn(learn(NEW_GAUGE, 3_000, 3_300, "s").gauge, 3_800, 3_310, "other");

    expect(cuts).toContain(3_310);
    expect(gauge.cutAtTokens).toBe(3_310);
    expect(elsewhere.cut).toBeUndefined();
  });

  it("finds a prompt cut when the report ends just below a usual context and lags behind what was added", () => {
    const before = learn(NEW_GAUGE, 3_000, 3_600, "s").gauge;

    expect(learn(before, 3_900, 4_000, "s").cut).toEqual({ expectedTokens: 4_680, seenTokens: 4_000 });
    expect(learn(before, 3_900, 4_500, "s").cut).toBeUndefined();
    // Just as little more for as much text, far from any usual context: the text was sparse.
    expect(learn(learn(NEW_GAUGE, 4_000, 4_800, "s").gauge, 4_900, 5_200, "s").cut).toBeUndefined();
  });

  it("believes a server that is later seen to take more than where it seemed to cut", () => {
    const cut = learn(learn(NEW_GAUGE, 3_000, 3_600, "s").gauge, 3_900, 3_600, "s").gauge;

    expect(cut.cutAtTokens).toBe(3_600);
    expect(learn(cut, 4_000, 4_700, "s").gauge.cutAtTokens).toBe(4_700);
  });

  it("does not take a server that reports only what it had not cached for one that cuts", () => {
    const before = learn(NEW_GAUGE, 3_000, 3_600, "s").gauge;

    expect(learn(before, 4_200, 1_450, "s").cut).toBeUndefined();
  });

  it("finds no prompt of an honest server cut, whatever is added to it", () => {
    const step = fc.record({
      units: fc.integer({ min: 10, max: 3_000 }),
      tokensPerUnit: fc.double({ min: 0.8, max: 1.3, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 30 }), (steps) => {
        let gauge = NEW_GAUGE;
        let units = 0;
        let tokens = 0;
        for (const added of steps) {
          units += added.units;
          tokens += added.units * added.tokensPerUnit;
          const next = learn(gauge, units, Math.ceil(tokens), "s");
          gauge = next.gauge;
          expect(next.cut).toBeUndefined();
        }
      }),
    );
  });

  it("learns nothing from a server that says nothing", () => {
    expect(learn(NEW_GAUGE, 8_000, 0, "s").gauge).toBe(NEW_GAUGE);
  });
});

describe("a server with less context than asked for", () => {
  it("is found by what it reports; the loop says so and keeps within what it has", async () => {
    const real = 4_096;
    const tools = new ToyTools();
    tools.command = (command) => answer(noise(Number(command), 9_000));
    const sent: number[] = [];
    const w = world(
      (request, index) => {
        const tokens = Math.ceil(charsOf(request) / 3.6);
        sent.push(tokens);
        const usage = { promptTokens: Math.min(tokens, real - 100), completionTokens: 20 };
        return index < 20 ? { ...runs(String(index)), usage } : { text: "I have finished.", usage };
      },
      { contextTokens: 32_768, limits: unlimited, tools },
    );

    await runLoop(w);

    const found = w.steps.filter(({ kind }) => kind === "promptCut");
    const first = sent.findIndex((tokens) => tokens > real);
    expect(found).toHaveLength(1);
    expect(first).toBeGreaterThan(0);
    expect(sent.slice(first + 1).every((tokens) => tokens <= real)).toBe(true);
  });

  it.each([
    ["fills what it has", (tokens: readonly number[], real: number) => Math.min(sum(tokens), real - 60)],
    ["drops the oldest messages", keptBy],
    [
      "discards half at a time",
      (tokens: readonly number[], real: number) => (sum(tokens) > real ? real / 2 : sum(tokens)),
    ],
  ])("half of 8,192 and %s is found after at most two prompts that it cut", async (_, reported) => {
    const real = 4_096;
    const tools = new ToyTools();
    tools.command = (command) => answer(noise(Number(command), Number(command) % 3 === 0 ? 2_500 : 900));
    let cutPrompts = 0;
    let cutAfterFound = 0;
    const w = world(
      (request, index) => {
        const tokens = request.messages.map(({ content }) => Math.ceil(content.length / 3.4));
        tokens.push(Math.ceil(JSON.stringify(request.tools ?? []).length / 3.4));
        const isFound = w.steps.some(({ kind }) => kind === "promptCut");
        const isCut = sum(tokens) > real;
        if (isCut && isFound) cutAfterFound += 1;
        else if (isCut) cutPrompts += 1;
        const usage = { promptTokens: reported(tokens, real), completionTokens: 20 };
        return index < 40 ? { ...runs(String(index)), usage } : { text: "I have finished.", usage };
      },
      { contextTokens: 8_192, limits: unlimited, tools },
    );

    await runLoop(w);

    expect(w.steps.some(({ kind }) => kind === "promptCut")).toBe(true);
    expect(cutPrompts).toBeLessThanOrEqual(2);
    expect(cutAfterFound).toBe(0);
  });

  it("that says what it has is believed", async () => {
    const w = world((_, index) => (index < 10 ? reads(`${index}`) : { text: "Done." }), {
      contextTokens: 32_768,
      tools: new ToyTools(new Map(Array.from({ length: 10 }, (_, n) => [`${n}`, noise(n, 9_000)]))),
      limits: unlimited,
    });
    w.model.contextTokens = 4_096;

    await runLoop(w);

    expect(w.model.requests.slice(1).every((request) => charsOf(request) / 4 < 4_096)).toBe(true);
  });
});
