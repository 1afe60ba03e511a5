import type { JsonObject } from "#base";
import type { RawToolCall, ToolCall, ToolDefinition } from "#inference";

/** How a reply is asked for: tools offered natively, or a JSON object forced by constrained decoding. */
export type ReplyMode = "native" | "constrained";

/** Something in a reply that was meant as a call and could not be read as one. */
export type ReplyFault = {
  /** What is wrong, naming tool and parameter, in words for the model. */
  readonly message: string;
  readonly tool?: string;
  /** Whether it can only have been meant as a call; what is not may be an example in a final answer. */
  readonly isExplicit: boolean;
};

/** One whole reply. `text` has no calls and no thinking left in it. */
export type ParsedReply = {
  readonly text: string;
  readonly thinking: string;
  /** Only calls of offered tools, with arguments found valid; in the order of the reply, with ids that differ. */
  readonly calls: readonly ToolCall[];
  readonly faults: readonly ReplyFault[];
  /** How many calls needed mending; the rate per model says how well it speaks the format. */
  readonly repairs: number;
  /** Whether the model said by the form that it is finished; only a constrained reply can. */
  readonly isFinal: boolean;
};

/** One reply being read, piece by piece. Splitting the same reply elsewhere gives the same result. */
export interface ReplyReading {
  /** @returns what of the text so far can be shown now and was not before: no part of a call or of thinking. */
  text(piece: string): string;
  thinking(piece: string): void;
  call(call: RawToolCall): void;
  /** Ends the reply. @param isCut whether it was cut off, so that a call at its end may lack something. */
  end(isCut: boolean): ParsedReply;
}

/** Reads the replies of models. Pure: no input makes it throw, and a tool that was not offered is never a call. */
export interface ReplyParser {
  /** @param model the name of the model that replies, which tells its habits; empty when unknown. */
  read(offered: readonly ToolDefinition[], mode: ReplyMode, model: string): ReplyReading;
  /** The JSON Schema that a constrained reply must follow, and how a model is told about it in few words. */
  constrained(offered: readonly ToolDefinition[]): { readonly format: JsonObject; readonly instructions: string };
  /** A call as a constrained reply spells it, for showing a model its own earlier calls. */
  spell(call: ToolCall): string;
}
