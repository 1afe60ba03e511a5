import type { ToolDefinition } from "#inference";
import { constrainedFormat, readConstrained } from "../tool-calls/constrained-format.ts";
import { familyOf } from "../tool-calls/model-family.ts";
import type { CallFault, ReadReply } from "../tool-calls/read-reply.ts";
import { ReplyReader } from "../tool-calls/reply-reader.ts";
import type { ParsedReply, ReplyFault, ReplyMode, ReplyParser, ReplyReading } from "./reply-parser.ts";

/** Reads replies with the readers of tool-calls: every format that models use, mended where that is safe. */
export const modelReplies: ReplyParser = {
  read: (offered, mode, model) => new Reading(offered, mode, model),
  constrained: (offered) => ({
    format: constrainedFormat(offered),
    instructions: instructionsFor(offered),
  }),
  spell: ({ name, arguments: input }) => JSON.stringify({ name, arguments: input }),
};

class Reading implements ReplyReading {
  readonly #reader: ReplyReader;
  readonly #offered: readonly ToolDefinition[];
  readonly #mode: ReplyMode;
  /** For a constrained reply, which is read as a whole; bounded by the loop, which stops listening. */
  #text = "";

  constructor(offered: readonly ToolDefinition[], mode: ReplyMode, model: string) {
    this.#reader = new ReplyReader(offered, { family: familyOf(model) });
    this.#offered = offered;
    this.#mode = mode;
  }

  text(piece: string): string {
    if (this.#mode === "constrained") this.#text += piece;
    return this.#reader.push({ kind: "text", text: piece });
  }

  thinking(piece: string): void {
    this.#reader.push({ kind: "thinking", text: piece });
  }

  call(call: Parameters<ReplyReading["call"]>[0]): void {
    this.#reader.push({ kind: "toolCall", call });
  }

  end(isCut: boolean): ParsedReply {
    const reason = isCut ? "length" : "stop";
    const read = this.#reader.end(reason);
    if (this.#mode === "native") return parsed(read);
    const reply = readConstrained(this.#text, this.#offered, "call_1", reason);
    switch (reply.kind) {
      case "call":
        return {
          ...parsed(read),
          text: "",
          calls: [reply.call],
          faults: [],
          repairs: reply.call.repairs.length > 0 ? 1 : 0,
        };
      case "final":
        return { ...parsed(read), text: reply.text, calls: [], faults: [], isFinal: true };
      case "faults":
        // A server that ignores `format`: the reply may still hold a call in a form of its own.
        return read.calls.length > 0 ? parsed(read) : { ...parsed(read), faults: reply.faults.map(faultOf) };
    }
  }
}

function parsed({ text, thinking, calls, faults }: ReadReply): ParsedReply {
  return {
    text,
    thinking,
    calls: calls.map(({ id, name, arguments: input }) => ({ id, name, arguments: input })),
    faults: faults.map(faultOf),
    repairs: calls.filter((call) => call.repairs.length > 0).length,
    isFinal: false,
  };
}

function faultOf({ message, tool, isExplicit }: CallFault): ReplyFault {
  return { message, isExplicit, ...(tool === undefined ? {} : { tool }) };
}

/** For models that are shown no tools by their template: names, parameters and what they are for, a line each. */
function instructionsFor(offered: readonly ToolDefinition[]): string {
  const lines = offered.map(({ name, description, parameters }) => {
    const properties = parameters["properties"];
    const names = typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
    return `- ${name}(${names.join(", ")}): ${description}`;
  });
  return [
    "Reply with exactly one JSON object and nothing else.",
    'To call a tool: {"name": TOOL, "arguments": {…}}. When the task is complete: {"final": "what you did"}.',
    "Tools:",
    ...lines,
  ].join("\n");
}
