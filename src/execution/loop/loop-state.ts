import type { JsonValue } from "#base";
import type { InferenceFailure, TokenUsage, ToolCall } from "#inference";
import type { StopRequest } from "../outcome.ts";
import type { VerificationReport } from "../verification/report.ts";
import type { Turn } from "./conversation.ts";
import type { CallCount, LoopEnd, LoopUsage, WorkRecord } from "./loop-end.ts";
import type { LoopStep } from "./loop-step.ts";
import type { Finding, RepetitionState } from "./repetition.ts";
import type { ParsedReply, ReplyMode } from "./reply-parser.ts";
import type { TokenGauge } from "./token-gauge.ts";
import type { FileMark, ToolAnswer } from "./tool-caller.ts";

/** A call that waits to be executed, or to be answered without. */
export type WaitingCall = {
  readonly call: ToolCall;
  /** Why it is not executed: its tool is withheld, it stands twice in one reply, the reply has too many. */
  readonly refusal: "withheld" | "duplicate" | "tooMany" | null;
};

/** Everything the loop knows: plain JSON of bounded size, so that it can lie in a checkpoint. */
export type LoopState = {
  readonly phase: "asking" | "calling" | "ended";
  readonly end: LoopEnd | null;
  /** Replies of all times, and those since the task or the last correction was given. */
  readonly replies: number;
  readonly iteration: number;
  /** What verification found before each correction, with its evidence in short. */
  readonly corrections: readonly VerificationReport[];
  readonly mode: ReplyMode;
  /** Index into the chain of models: the first that may still answer. */
  readonly modelIndex: number;
  /** Index of the model that was asked last; later than `modelIndex` when earlier ones could take no request. */
  readonly answeredIndex: number;
  /** Times in a row that asking failed. */
  readonly failures: number;
  /** How long to wait before asking, after a failure. */
  readonly pauseMs: number;
  /** Whether the next reply is asked for at temperature 0, after a call that could not be read. */
  readonly isCool: boolean;
  /** Whether thinking is left out, because the model cannot. */
  readonly isThoughtless: boolean;
  readonly turns: readonly Turn[];
  readonly gauge: TokenGauge;
  /** Context of the model that answered last; null when unknown. */
  readonly modelContextTokens: number | null;
  readonly repetition: RepetitionState;
  readonly findings: readonly Finding[];
  /** What is said to the model once the calls of its reply are answered. */
  readonly notes: readonly string[];
  readonly waiting: readonly WaitingCall[];
  /** Calls of the reply being worked on. */
  readonly callsInReply: number;
  /** Tool → the reply count after which it is offered again. */
  readonly withheld: Readonly<Record<string, number>>;
  readonly record: WorkRecord;
  readonly usage: LoopUsage;
  /** By model, in the order in which they first replied. */
  readonly callCounts: readonly CallCount[];
  /** Time spent asking and calling. */
  readonly spentMs: number;
  readonly lastWords: string;
  /** What the tools remember. */
  readonly toolMemory: JsonValue;
};

/** What happened, with how long it took. Facts only: applying the same events to the same state gives the same state. */
export type LoopEvent =
  | {
      readonly kind: "replied";
      readonly reply: ParsedReply;
      /** Whether the reply was cut off at a limit of tokens or characters. */
      readonly isCut: boolean;
      readonly usage: TokenUsage;
      readonly costMicrodollars: number;
      readonly endpoint: string;
      readonly model: string;
      readonly contextTokens: number | null;
      readonly tookMs: number;
    }
  | {
      readonly kind: "askFailed";
      readonly failure: InferenceFailure;
      /** Which model failed; empty when none was asked. */
      readonly model: string;
      /** Pieces of a reply that were seen: about a token each. */
      readonly pieces: number;
      readonly tookMs: number;
    }
  | {
      readonly kind: "answered";
      readonly callId: string;
      readonly answer: ToolAnswer;
      /** What the tools remember now; null when that is as before. */
      readonly toolMemory: JsonValue;
      readonly tookMs: number;
    }
  /** A worker resumed, and found files not as the lost one left them. */
  | { readonly kind: "filesFound"; readonly files: readonly FileMark[] }
  | { readonly kind: "corrected"; readonly prompt: string; readonly report: VerificationReport }
  | { readonly kind: "outOfTime"; readonly tookMs: number }
  | { readonly kind: "stopRequested"; readonly request: StopRequest; readonly tookMs: number };

/** What an event makes of a state, and what of it a person is told. */
export type Transition = { readonly state: LoopState; readonly steps: readonly LoopStep[] };
