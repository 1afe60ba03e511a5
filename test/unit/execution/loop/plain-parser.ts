/** Reads native calls with arguments as objects, and constrained replies of one JSON object. No mending at all. */
import type { JsonObject } from "#base";
import type { RawToolCall, ToolCall, ToolDefinition } from "#inference";
import type {
  ParsedReply,
  ReplyFault,
  ReplyParser,
  ReplyReading,
} from "../../../../src/execution/loop/reply-parser.ts";

type Constrained = { readonly tool?: string; readonly arguments?: JsonObject; readonly final?: string };

export const plainParser: ReplyParser = {
  read(offered, mode): ReplyReading {
    let text = "";
    let thinking = "";
    const raw: RawToolCall[] = [];
    return {
      text: (piece) => {
        text += piece;
        return piece;
      },
      thinking: (piece) => {
        thinking += piece;
      },
      call: (call) => raw.push(call),
      end: () => (mode === "native" ? native(text, thinking, raw, offered) : constrained(text, offered)),
    };
  },
  constrained: (offered) => ({
    format: { type: "object", tools: offered.map(({ name }) => name) },
    instructions: 'Reply with {"tool":NAME,"arguments":{}} or {"final":TEXT}.',
  }),
  spell: (call) => JSON.stringify({ tool: call.name, arguments: call.arguments }),
};

function native(
  text: string,
  thinking: string,
  raw: readonly RawToolCall[],
  offered: readonly ToolDefinition[],
): ParsedReply {
  const calls: ToolCall[] = [];
  const faults: ReplyFault[] = [];
  for (const [index, call] of raw.entries()) {
    const isKnown = offered.some(({ name }) => name === call.name);
    if (isKnown && isObject(call.arguments)) {
      calls.push({ id: call.id ?? String(index), name: call.name, arguments: call.arguments });
    } else {
      faults.push({
        message: `${call.name}: ${isKnown ? "its arguments are no object" : "there is no such tool"}`,
        isExplicit: true,
      });
    }
  }
  return { text, thinking, calls, faults, repairs: 0, isFinal: false };
}

function constrained(text: string, offered: readonly ToolDefinition[]): ParsedReply {
  const reply = { thinking: "", calls: [], faults: [], repairs: 0, isFinal: false };
  try {
    // `as`: of a test's own script.
    const value = JSON.parse(text) as Constrained;
    if (value.final !== undefined) return { ...reply, text: value.final, isFinal: true };
    const name = value.tool ?? "";
    if (!offered.some((tool) => tool.name === name)) throw new Error(`there is no tool ${name}`);
    return { ...reply, text: "", calls: [{ id: "0", name, arguments: value.arguments ?? {} }] };
  } catch (error) {
    return { ...reply, text: "", faults: [{ message: String(error), isExplicit: true }] };
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
