import { describeFailure, type Failure } from "#base";
import type { InferenceFailure } from "#inference";
import type { StopRequest } from "../outcome.ts";
import type { Pattern } from "./repetition.ts";

/** Why a tool loop ended. All but `final` leave partial work. */
export type LoopEnd =
  /** The model said that it is finished; whether it is, verification says. */
  | { readonly kind: "final" }
  | { readonly kind: "iterations"; readonly limit: number }
  | { readonly kind: "tokens"; readonly limit: number; readonly used: number }
  | { readonly kind: "wallTime"; readonly limitMs: number }
  /** The limit of this loop, or a budget of the node, which `message` then names. */
  | { readonly kind: "cost"; readonly limitMicrodollars: number | null; readonly message: string }
  /** System prompt, task and tools alone do not fit into the model's context. */
  | { readonly kind: "context"; readonly contextTokens: number }
  /** The model went round in circles in spite of hints. */
  | { readonly kind: "stuck"; readonly pattern: Pattern; readonly tool: string | null; readonly times: number }
  /** No model managed a single readable call, natively or constrained. */
  | { readonly kind: "noTools"; readonly pattern: Pattern }
  | { readonly kind: "modelFailed"; readonly failure: InferenceFailure }
  | { readonly kind: "stopped"; readonly request: StopRequest }
  /** Something of ours failed: the checkpoint could not be written. */
  | { readonly kind: "failed"; readonly failure: Failure };

/** What was done mechanically, whatever the model says. */
export type WorkRecord = {
  /** Path → content hash after the last change, null when removed. */
  readonly files: Readonly<Record<string, string | null>>;
  /** Fingerprint of all of these contents together: equal worlds are equal files, in whatever order they came to be. */
  readonly world: string;
  /** The latest commands, in one line each, with how they ended. */
  readonly commands: readonly string[];
  readonly commandCount: number;
  readonly callCount: number;
};

/** What the model used. Tokens are those reported, or estimated where a server reports none. */
export type LoopUsage = {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicrodollars: number;
};

/** How well a model speaks the form of calls: those that needed mending, and those meant as calls that could not be read. */
export type CallCount = {
  readonly model: string;
  readonly calls: number;
  readonly repaired: number;
  readonly unreadable: number;
};

/** @returns one line for a person, saying what to do where something can be done. */
export function describeLoopEnd(end: LoopEnd): string {
  switch (end.kind) {
    case "final":
      return "the model said it was finished";
    case "iterations":
      return `the model used all ${end.limit} iterations. Split the task, or choose a higher tier`;
    case "tokens":
      return `the model used ${end.used} of ${end.limit} tokens. Split the task, or raise limits.tokens`;
    case "wallTime":
      return `the tool loop passed its wall limit of ${end.limitMs} ms. Raise deadlineMs or split the task`;
    case "cost":
      return end.message;
    case "context":
      return `prompt, task and tools do not fit into ${end.contextTokens} tokens of context. Shorten the task or use a model with more`;
    case "stuck":
      return `the model went round in circles: ${describePattern(end.pattern, end.tool, end.times)}`;
    case "noTools":
      return `no model managed to call a tool (${describePattern(end.pattern, null, 1)}). Choose a model that supports tools`;
    case "modelFailed":
      return `no reply: ${end.failure.message}`;
    case "stopped":
      return end.request.reason;
    case "failed":
      return describeFailure(end.failure);
  }
}

/** @returns what a pattern of repetition looks like, as part of a sentence. */
export function describePattern(pattern: Pattern, tool: string | null, times: number): string {
  const name = tool ?? "a tool";
  switch (pattern) {
    case "identical":
      return `${name} called ${times} times with the same arguments and the same result`;
    case "cycle":
      return `the same few calls in turn, ${name} among them, with the same results`;
    case "nearDuplicate":
      return `${name} called again with nearly the same arguments and the same result`;
    case "growingArgument":
      return `${name} called with an argument that only gets longer`;
    case "sameError":
      return `${name} failed ${times} times with the same error for different arguments`;
    case "barren":
      return `${name} found nothing ${times} times`;
    case "withheld":
      return `${name} called although it is withheld`;
    case "unreadable":
      return "calls that cannot be read";
    case "narration":
      return "actions announced and no tool called";
    case "empty":
      return "empty replies";
  }
}
