/** What is told of one request to a model, whoever made it. */

export type ModelCallOutcome =
  | "ok"
  /** It ended before its reply did: whoever read it left. */
  | "cut"
  | "failed";

export type ModelCall = {
  /** Null at the gateway: another program asked. */
  readonly taskId: string | null;
  readonly attempt: number | null;
  readonly goal: string | null;
  /** Null when no endpoint was found for it. */
  readonly endpoint: string | null;
  readonly model: string | null;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly firstTokenAtMs: number | null;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly costMicrodollars: number;
  readonly maxTokens: number | null;
  readonly temperature: number | null;
  /** Names of the tools that the reply calls. */
  readonly toolCalls: readonly string[];
  readonly outcome: ModelCallOutcome;
  /** Why it failed; null when it did not. */
  readonly failure: { readonly kind: string; readonly message: string } | null;
  /** Prompt and reply; null unless they are wanted. */
  readonly texts: { readonly prompt: string; readonly reply: string } | null;
};

/** Calls that a share is counted over; older ones give way. */
const MAX_CALLS = 5_000;

/** How many requests to models failed lately. What was cut by its reader did not fail, nor what a budget refused. */
export class CallWindow {
  readonly #windowMs: number;
  #calls: { readonly atMs: number; readonly isFailed: boolean }[] = [];

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  add({ endedAtMs, outcome, failure }: ModelCall): void {
    if (outcome === "cut" || failure?.kind === "cancelled" || failure?.kind === "budget") return;
    if (this.#calls.length >= MAX_CALLS) this.#calls = this.#calls.slice(MAX_CALLS / 2);
    this.#calls.push({ atMs: endedAtMs, isFailed: outcome === "failed" });
  }

  counts(nowMs: number): { readonly calls: number; readonly failed: number } {
    this.#calls = this.#calls.filter(({ atMs }) => atMs > nowMs - this.#windowMs && atMs <= nowMs + 1_000);
    return { calls: this.#calls.length, failed: this.#calls.filter(({ isFailed }) => isFailed).length };
  }
}
