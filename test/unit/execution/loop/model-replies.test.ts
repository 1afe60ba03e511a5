/** The loop over the real reader of replies. */
import { describe, expect, it } from "vitest";
import { modelReplies } from "../../../../src/execution/loop/model-replies.ts";
import { toolDefinitions } from "../../../../src/execution/tools/tool-arguments.ts";
import { runLoop, world } from "./loop-world.ts";
import type { ScriptedReply } from "./scripted-model.ts";

const tools = toolDefinitions(["read_file", "write_file"]);

function read(text: string, mode: "native" | "constrained", isCut = false) {
  const reading = modelReplies.read(tools, mode, "qwen3:8b");
  for (const piece of text) reading.text(piece);
  return reading.end(isCut);
}

describe("replies of models", () => {
  it("are read in text of their family as well as natively", () => {
    const reply = read('<tool_call>\n{"name": "read_file", "arguments": {"path": "a"}}\n</tool_call>', "native");

    expect(reply.calls.map(({ name, arguments: input }) => [name, input])).toEqual([["read_file", { path: "a" }]]);
    expect([reply.text.trim(), reply.isFinal]).toEqual(["", false]);
  });

  it("say what is wrong with a call, and call no tool that was not offered", () => {
    const reading = modelReplies.read(tools, "native", "");
    reading.call({ id: "1", name: "delete_all", arguments: {} });
    reading.call({ id: "2", name: "read_file", arguments: {} });
    const { calls, faults } = reading.end(false);

    expect(calls).toEqual([]);
    expect(faults.map(({ message }) => message).join("\n")).toMatch(/delete_all[\s\S]*path/);
  });

  it("constrained are a call, an end, or a fault", () => {
    expect(read('{"name":"read_file","arguments":{"path":"a"}}', "constrained").calls).toHaveLength(1);
    expect(read('{"final":"did it"}', "constrained")).toMatchObject({ text: "did it", isFinal: true, calls: [] });
    expect(read("What do you mean?", "constrained").faults.length).toBeGreaterThan(0);
    expect(
      read('<tool_call>{"name":"read_file","arguments":{"path":"a"}}</tool_call>', "constrained").calls,
    ).toHaveLength(1);
  });

  it("are counted by model: calls, those that were repaired, and those that could not be read", async () => {
    const tag = (call: string) => `<tool_call>\n${call}\n</tool_call>`;
    const good = (path: string) => tag(`{"name": "write_file", "arguments": {"path": "${path}", "content": ""}}`);
    const script: readonly ScriptedReply[] = [
      {
        text: `${good("a")}\n${tag("{'name': 'write_file', 'arguments': {'path': 'b', 'content': ''},}")}`,
        model: "one",
      },
      { text: tag('{"name": "read_file", "arguments": {}}'), model: "one" },
      { text: good("c"), model: "two" },
      { text: "It is done.", model: "two" },
    ];
    const w = world(script);

    const { callCounts } = await runLoop({ ...w, options: { ...w.options, parser: modelReplies } });

    expect(callCounts).toEqual([
      { model: "one", calls: 2, repaired: 1, unreadable: 1 },
      { model: "two", calls: 1, repaired: 0, unreadable: 0 },
    ]);
    expect(w.steps.flatMap((step) => (step.kind === "replied" ? [step.repairs] : []))).toEqual([1, 0, 0, 0]);
  });

  it("carry a whole loop: from a call as text over a broken one to a constrained end", async () => {
    const script: readonly ScriptedReply[] = [
      { text: 'I write it.\n```json\n{"name": "write_file", "arguments": {"path": "a", "content": "1"}}\n```' },
      { calls: [{ name: "write_file", arguments: '{"path": "b"' }] },
      { calls: [{ name: "write_file", arguments: "" }] },
      { text: '{"final":"written"}' },
    ];
    const w = world(script);

    const outcome = await runLoop({ ...w, options: { ...w.options, parser: modelReplies } });

    expect(w.tools.files.get("a")).toBe("1");
    expect(outcome.end).toEqual({ kind: "final" });
    expect(w.model.requests[3]?.format).toBeDefined();
    expect(modelReplies.spell({ id: "1", name: "read_file", arguments: { path: "a" } })).toBe(
      '{"name":"read_file","arguments":{"path":"a"}}',
    );
  });
});
