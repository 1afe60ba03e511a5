/** What the loop makes of single replies: several calls, faults, failures, and the ladder that answers them. */
import { describe, expect, it } from "vitest";
import { REFUSALS } from "../../../../src/execution/loop/prompts.ts";
import { calls, kindsOf, reads, runLoop, runs, type World, world, writes } from "./loop-world.ts";

const done = { text: "I have finished the work." };
const contents = (messages: readonly { readonly role: string; readonly content: string }[], role: string) =>
  messages.filter((message) => message.role === role).map(({ content }) => content);

/** Pauses between failed requests pass at once; the wall time does not. */
function skipPauses(w: World): void {
  w.clock.after = (delayMs, action) => {
    if (delayMs < 60_000) queueMicrotask(action);
    return { cancel: () => undefined };
  };
}

describe("calls of one reply", () => {
  it("are executed one after another in their order, each with its observation", async () => {
    const w = world([
      { calls: [...(writes("a", "1").calls ?? []), ...(reads("a").calls ?? []), ...(runs("ls").calls ?? [])] },
      done,
    ]);

    await runLoop(w);

    expect(w.tools.executed.map(({ name }) => name)).toEqual(["write_file", "read_file", "run_command"]);
    expect(contents(w.model.requests[1]?.messages ?? [], "tool")).toEqual(["wrote a", "1", "ran ls"]);
  });

  it("are executed once when they stand there twice", async () => {
    const w = world([
      {
        calls: [
          { name: "run_command", arguments: { command: "make" } },
          { name: "run_command", arguments: { command: "make" } },
        ],
      },
      done,
    ]);

    await runLoop(w);

    expect(w.tools.executed).toHaveLength(1);
    expect(contents(w.model.requests[1]?.messages ?? [], "tool")).toEqual(["ran make", REFUSALS.duplicate]);
  });

  it("are refused beyond the limit of calls per reply", async () => {
    const many = Array.from({ length: 5 }, (_, index) => ({
      name: "run_command",
      arguments: { command: `make ${index}` },
    }));
    const w = world([{ calls: many }, done], { limits: { callsPerReply: 2 } });

    await runLoop(w);

    expect(w.tools.executed).toHaveLength(2);
    expect(
      contents(w.model.requests[1]?.messages ?? [], "tool").filter((text) => text === REFUSALS.tooMany),
    ).toHaveLength(3);
  });

  it("of a tool that does not exist are never executed, and the model is told which exist", async () => {
    const w = world([calls("delete_everything", { path: "/" }), done]);

    const outcome = await runLoop(w);

    expect(w.tools.executed).toEqual([]);
    expect(outcome.end).toEqual({ kind: "final" });
    expect(w.model.requests[1]?.messages.at(-1)?.content).toContain("there is no such tool");
  });

  it("of a tool that does not exist are not executed even when the parser lets them through", async () => {
    const w = world([calls("delete_everything", { path: "/" }), done]);
    const { parser } = w.options;
    const lax = {
      ...parser,
      read: () => {
        const reading = parser.read([{ name: "delete_everything", description: "", parameters: {} }], "native", "");
        return reading;
      },
    };

    await runLoop({ ...w, options: { ...w.options, parser: lax } });

    expect(w.tools.executed).toEqual([]);
    expect(w.model.requests[1]?.messages.at(-1)?.content).toContain("There is no tool delete_everything");
  });

  it("are executed beside one that cannot be read, and the fault is told after their observations", async () => {
    const w = world([
      {
        calls: [
          { name: "read_file", arguments: "{" },
          { name: "write_file", arguments: { path: "a", content: "1" } },
        ],
      },
      done,
    ]);

    await runLoop(w);

    const roles = w.model.requests[1]?.messages.map(({ role }) => role);
    expect(w.tools.executed.map(({ name }) => name)).toEqual(["write_file"]);
    expect(roles).toEqual(["system", "user", "assistant", "tool", "user"]);
  });
});

describe("the ladder", () => {
  it("goes from a fault fed back to a constrained format, and its calls are executed", async () => {
    const bad = calls("read_file", "{broken");
    const good = { text: '{"tool":"write_file","arguments":{"path":"a","content":"1"}}' };
    const w = world([bad, bad, good, { text: '{"final":"written"}' }]);

    const outcome = await runLoop(w);

    expect(outcome.end).toEqual({ kind: "final" });
    expect(w.tools.files.get("a")).toBe("1");
    const [first, second, third, fourth] = w.model.requests;
    expect([first, second].map((request) => [request?.format === undefined, request?.options?.temperature])).toEqual([
      [true, undefined],
      [true, 0],
    ]);
    expect(third).toMatchObject({ format: { type: "object" }, options: { thinking: false } });
    expect(third?.tools).toBeUndefined();
    expect(third?.messages[0]?.content).toContain('{"final":TEXT}');
    // Earlier calls are spelled as text, for a model that knows no others.
    expect(fourth?.messages.some(({ role }) => role === "tool")).toBe(false);
    expect(fourth?.messages.at(-1)?.content).toBe("Result of write_file:\nwrote a");
  });

  it("goes on to the next model with native tools, and ends after the last", async () => {
    const w = world(() => ({ text: "I will now read the file." }), {
      models: ["small", "large"],
      limits: { iterations: 20 },
    });

    const outcome = await runLoop(w);

    expect(outcome.end).toEqual({ kind: "noTools", pattern: "unreadable" });
    expect(w.model.contexts.map(({ models }) => models)).toEqual([
      ...Array.from({ length: 4 }, () => ["small", "large"]),
      ...Array.from({ length: 4 }, () => ["large"]),
    ]);
    expect(kindsOf(w.steps).filter((kind) => kind === "nextModel")).toHaveLength(1);
  });

  it.each([
    ["its replies lead nowhere", { text: "I will now read the file." }, 4],
    ["it fails", { failure: { kind: "cut", isRetryable: true, afterFirstToken: true } }, 4],
    ["it fails before its first token", { failure: { kind: "serverFault", isRetryable: true } }, 4],
    ["it cannot do what is asked", { failure: { kind: "notSupported", capability: "vision" } }, 1],
  ] as const)(
    "goes on after the model that answered, not after the first of the list, when %s",
    async (_, bad, times) => {
      // The first model is down: the node has the second one answer as long as it may.
      const w = world(
        (_request, _index, { models = [] }) => {
          const model = models.find((name) => name !== "down") ?? "";
          return model === "weak:latest" || model === "weak" ? { ...bad, model: "weak:latest" } : { ...done, model };
        },
        { models: ["down", "weak", "strong"], limits: { iterations: 20 } },
      );
      skipPauses(w);

      const outcome = await runLoop(w);

      expect(outcome.end).toEqual({ kind: "final" });
      expect(w.model.contexts.map(({ models }) => models)).toEqual([
        ...Array.from({ length: times }, () => ["down", "weak", "strong"]),
        ["strong"],
      ]);
      expect(w.steps).toContainEqual(expect.objectContaining({ kind: "nextModel", model: "strong" }));
    },
  );

  it("ends after the last model, although an earlier one of the list was never asked", async () => {
    const w = world(() => ({ text: "I will now read the file.", model: "weak" }), {
      models: ["down", "weak"],
      limits: { iterations: 20 },
    });

    expect((await runLoop(w)).end.kind).toBe("noTools");
    expect(w.model.asked).toBe(4);
    expect(kindsOf(w.steps)).not.toContain("nextModel");
  });

  it("takes a reply that the server could not read for an unreadable one: cooler, then constrained", async () => {
    const bad = { failure: { kind: "badToolCall", message: "error parsing tool call" } } as const;
    const w = world([bad, bad, { text: '{"final":"nothing to do"}' }]);

    const outcome = await runLoop(w);

    expect(outcome.end).toEqual({ kind: "final" });
    expect(w.model.requests.map(({ format, tools }) => [format !== undefined, tools !== undefined])).toEqual([
      [false, true],
      [false, true],
      [true, false],
    ]);
    expect(w.model.requests[1]?.options?.temperature).toBe(0);
  });

  it("asks a model without tools by constrained format at once", async () => {
    const w = world([{ failure: { kind: "notSupported", capability: "tools" } }, { text: '{"final":"done"}' }]);

    expect((await runLoop(w)).end).toEqual({ kind: "final" });
    expect(w.model.requests[1]?.format).toBeDefined();
  });

  it("leaves thinking out for a model that cannot think", async () => {
    const w = world([{ failure: { kind: "notSupported", capability: "thinking" } }, done]);
    const plan = { ...w.options.plan, options: { thinking: true } };

    await runLoop({ ...w, options: { ...w.options, plan } });

    expect(w.model.requests.map(({ options }) => options?.thinking)).toEqual([true, undefined]);
  });

  it("tells a model whose reply was cut off to write less, and does not take the beginning for the end", async () => {
    const w = world([{ text: "The file is complete and", finish: "length" }, done]);

    const outcome = await runLoop(w);

    expect(w.model.asked).toBe(2);
    expect(w.model.requests[1]?.messages.at(-1)?.content).toContain("cut off");
    expect(outcome.end).toEqual({ kind: "final" });
  });

  it("stops listening to a reply that does not end", async () => {
    const w = world([{ text: "la ".repeat(1_000), hang: () => undefined }, done], { limits: { replyChars: 2_000 } });

    expect((await runLoop(w)).end).toEqual({ kind: "final" });
    expect(w.model.asked).toBe(2);
  });
});

describe("a request that fails", () => {
  it("after its first token is charged to the budget of tokens, which then ends the loop", async () => {
    const cut = { text: "half a reply", failure: { kind: "cut", isRetryable: true, afterFirstToken: true } } as const;
    const usage = { promptTokens: 400, completionTokens: 10 };
    const w = world([{ ...writes("a", "1"), usage }, cut, cut, cut, { ...done, usage }], { limits: { tokens: 1_000 } });
    skipPauses(w);

    const outcome = await runLoop(w);

    expect(outcome.end).toMatchObject({ kind: "tokens", limit: 1_000 });
    expect(outcome.usage.promptTokens).toBeGreaterThan(400);
    expect(outcome.usage.completionTokens).toBeGreaterThan(10);
    expect(w.model.asked).toBeLessThan(5);
  });

  it("before its first token costs no tokens", async () => {
    const busy = { failure: { kind: "overloaded", isRetryable: true } } as const;
    const w = world([busy, busy, { ...done, usage: { promptTokens: 400, completionTokens: 10 } }]);
    skipPauses(w);

    expect((await runLoop(w)).usage).toMatchObject({ promptTokens: 400, completionTokens: 10 });
  });

  it("is asked again unchanged after the first token, with growing pauses, and costs no iteration", async () => {
    const cut = { text: "half", failure: { kind: "cut", isRetryable: false, afterFirstToken: true } } as const;
    const w = world([writes("a", "1"), cut, { text: "half", isBroken: true }, done], { limits: { iterations: 2 } });
    const pauses: number[] = [];
    w.clock.after = (delayMs, action) => {
      if (delayMs < 60_000) {
        pauses.push(delayMs);
        queueMicrotask(action);
      }
      return { cancel: () => undefined };
    };

    const outcome = await runLoop(w);

    expect(outcome.end).toEqual({ kind: "final" });
    expect(pauses).toEqual([1_000, 2_000]);
    expect(w.model.requests[2]?.messages).toEqual(w.model.requests[1]?.messages);
    expect(w.model.requests[3]?.messages).toEqual(w.model.requests[1]?.messages);
    expect(w.tools.executed).toHaveLength(1);
  });

  it("is asked a bounded number of times, then of the next model", async () => {
    const failure = { kind: "cut", isRetryable: true, afterFirstToken: true } as const;
    const w = world((_, __, { models }) => (models?.[0] === "b" ? done : { failure }), { models: ["a", "b"] });
    w.clock.after = (delayMs, action) => {
      if (delayMs < 60_000) queueMicrotask(action);
      return { cancel: () => undefined };
    };

    expect((await runLoop(w)).end).toEqual({ kind: "final" });
    expect(w.model.asked).toBe(5);
  });

  it("waits as long as the server asks for, and a stop ends the wait", async () => {
    const request = { by: "cancel", reason: "enough" } as const;
    const w = world([{ failure: { kind: "overloaded", isRetryable: true, retryAfterMs: 30_000 } }, done]);
    const delays: number[] = [];
    w.clock.after = (delayMs) => {
      delays.push(delayMs);
      if (delayMs === 30_000) w.stop.request(request);
      return { cancel: () => undefined };
    };

    expect((await runLoop(w)).end).toEqual({ kind: "stopped", request });
    expect(delays).toContain(30_000);
    expect(w.model.asked).toBe(1);
  });
});
