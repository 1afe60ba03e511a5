/** What a tool loop tells a person while it runs. */
import { redactText } from "#base";
import { describeLoopEnd, describePattern, type LoopEnd } from "./loop-end.ts";
import type { Pattern } from "./repetition.ts";
import type { ReplyMode } from "./reply-parser.ts";

/** A line in a log or a terminal of usual width with its time before it. */
export const MAX_STEP_CHARS = 160;

export type LoopStep =
  | { readonly kind: "resumed"; readonly round: number }
  | { readonly kind: "asked"; readonly round: number; readonly mode: ReplyMode }
  /** A reply is being written. */
  | { readonly kind: "writing"; readonly chars: number; readonly text: string }
  /** A reply is whole. */
  | {
      readonly kind: "replied";
      readonly round: number;
      readonly model: string;
      readonly endpoint: string;
      readonly promptTokens: number;
      readonly completionTokens: number;
      readonly costMicrodollars: number;
      readonly tookMs: number;
      readonly calls: number;
      readonly repairs: number;
      readonly text: string;
    }
  | {
      readonly kind: "askFailed";
      readonly reason: string;
      readonly next: "again" | "constrained" | "nextModel" | "end";
    }
  | { readonly kind: "called"; readonly tool: string; readonly call: string }
  | {
      readonly kind: "observed";
      readonly tool: string;
      readonly summary: string;
      readonly error: string | null;
      readonly tookMs: number;
    }
  /** A reply had something that was meant as a call and is none. */
  | { readonly kind: "fault"; readonly message: string }
  | { readonly kind: "hint"; readonly pattern: Pattern; readonly tool: string | null; readonly times: number }
  | { readonly kind: "withheld"; readonly tool: string; readonly pattern: Pattern }
  | { readonly kind: "constrained"; readonly pattern: Pattern }
  | { readonly kind: "nextModel"; readonly model: string; readonly pattern: Pattern | null }
  | {
      readonly kind: "compacted";
      readonly fromTokens: number;
      readonly toTokens: number;
      readonly contextTokens: number;
    }
  /** The server cut the prompt: it has less context than was asked for. */
  | { readonly kind: "promptCut"; readonly expectedTokens: number; readonly seenTokens: number }
  | { readonly kind: "correction"; readonly round: number; readonly failedChecks: number }
  | { readonly kind: "ended"; readonly end: LoopEnd };

/** @returns one printable line of at most {@link MAX_STEP_CHARS} characters, without secrets. */
export function stepLine(step: LoopStep): string {
  const line = redactText(words(step))
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim(); // prettier-ignore
  return line.length <= MAX_STEP_CHARS ? line : `${line.slice(0, MAX_STEP_CHARS - 1)}…`;
}

function words(step: LoopStep): string {
  switch (step.kind) {
    case "resumed":
      return `resumed after reply ${step.round} from the checkpoint of a lost worker`;
    case "asked":
      return `ask ${step.round}${step.mode === "constrained" ? " (constrained)" : ""}`;
    case "writing":
      return `writing, ${step.chars} characters${step.text === "" ? "" : `: ${step.text}`}`;
    case "replied":
      return `reply ${step.round} of ${step.model} on ${step.endpoint}: ${step.calls} calls${step.repairs === 0 ? "" : ` (${step.repairs} repaired)`}, ${step.promptTokens}+${step.completionTokens} tokens, ${step.tookMs} ms${step.text === "" ? "" : `: ${step.text}`}`;
    case "askFailed":
      return `no reply (${nextWords(step.next)}): ${step.reason}`;
    case "called":
      return `call ${step.call}`;
    case "observed":
      return `${step.error === null ? "ok" : `failed (${step.error})`} ${step.tool}, ${step.tookMs} ms: ${step.summary}`;
    case "fault":
      return `unreadable call: ${step.message}`;
    case "hint":
      return `hint: ${describePattern(step.pattern, step.tool, step.times)}`;
    case "withheld":
      return `withhold ${step.tool}: ${describePattern(step.pattern, step.tool, 2)}`;
    case "constrained":
      return `ask by constrained format from here on: ${describePattern(step.pattern, null, 2)}`;
    case "nextModel":
      return `next model ${step.model}${step.pattern === null ? "" : `: ${describePattern(step.pattern, null, 3)}`}`;
    case "compacted":
      return `compacted the conversation from about ${step.fromTokens} to ${step.toTokens} of ${step.contextTokens} tokens`;
    case "promptCut":
      return `the server cut the prompt: it saw ${step.seenTokens} of about ${step.expectedTokens} tokens`;
    case "correction":
      return `correction ${step.round}: ${step.failedChecks} checks failed`;
    case "ended":
      return `ended: ${describeLoopEnd(step.end)}`;
  }
}

function nextWords(next: Extract<LoopStep, { kind: "askFailed" }>["next"]): string {
  switch (next) {
    case "again":
      return "ask again";
    case "constrained":
      return "constrained format";
    case "nextModel":
      return "next model";
    case "end":
      return "giving up";
  }
}
