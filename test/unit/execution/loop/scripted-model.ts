/** A model that says what a test tells it to, through the same port as every real one. */
import type {
  ChatEvent,
  ChatMessage,
  ChatModel,
  ChatRequest,
  InferenceFailure,
  RawToolCall,
  RequestContext,
  TokenUsage,
} from "#inference";

export type ScriptedReply = {
  readonly text?: string;
  readonly thinking?: string;
  readonly calls?: readonly { readonly name: string; readonly arguments: unknown; readonly id?: string }[];
  readonly finish?: "stop" | "length";
  readonly usage?: TokenUsage;
  readonly costMicrodollars?: number;
  /** Ends the stream with this after what stands above. */
  readonly failure?: Partial<InferenceFailure> & { readonly kind: InferenceFailure["kind"] };
  /** Ends the stream without any end. */
  readonly isBroken?: boolean;
  /** Which of the models asked for answers; the first one when left out, as if it could. */
  readonly model?: string;
  /** Called in the middle of the stream; the stream then waits until it is aborted. */
  readonly hang?: () => void;
};

export type Script = (request: ChatRequest, index: number, context: RequestContext) => ScriptedReply;

export class ScriptedModel implements ChatModel {
  readonly requests: ChatRequest[] = [];
  readonly contexts: RequestContext[] = [];
  asked = 0;
  readonly #script: Script;
  readonly #keep: number;
  contextTokens: number | null = null;

  /** @param keep how many of the latest requests are kept. */
  constructor(script: Script | readonly ScriptedReply[], keep = 1_000) {
    this.#script = typeof script === "function" ? script : (_, index) => script[index] ?? { text: "Done." };
    this.#keep = keep;
  }

  async *chat(request: ChatRequest, context: RequestContext, signal: AbortSignal): AsyncIterable<ChatEvent> {
    const reply = this.#script(request, this.asked, context);
    this.asked += 1;
    this.requests.push(request);
    this.contexts.push(context);
    if (this.requests.length > this.#keep) {
      this.requests.shift();
      this.contexts.shift();
    }
    const model = reply.model ?? context.models?.[0] ?? "toy";
    const { failure } = reply;
    if (failure !== undefined && !(failure.afterFirstToken ?? false) && reply.text === undefined) {
      // As the service does it: a request of which nothing was seen is not said to be routed.
      yield { kind: "failed", failure: failureOf(failure), model };
      return;
    }
    yield { kind: "routed", endpoint: "here", model, contextTokens: this.contextTokens };
    if (reply.thinking !== undefined) yield { kind: "thinking", text: reply.thinking };
    if (reply.text !== undefined) yield { kind: "text", text: reply.text };
    for (const call of reply.calls ?? []) {
      const raw: RawToolCall = { id: call.id, name: call.name, arguments: call.arguments };
      yield { kind: "toolCall", call: raw };
    }
    if (reply.hang !== undefined) {
      reply.hang();
      await aborted(signal);
      yield { kind: "failed", failure: failureOf({ kind: "cancelled" }) };
      return;
    }
    if (failure !== undefined) yield { kind: "failed", failure: failureOf(failure) };
    else if (reply.isBroken !== true) {
      yield {
        kind: "done",
        reason: reply.finish ?? "stop",
        usage: reply.usage ?? { promptTokens: 0, completionTokens: 0 },
        timings: { loadMs: null, prefillMs: null, decodeMs: null },
        costMicrodollars: reply.costMicrodollars ?? 0,
      };
    }
  }
}

function failureOf(part: Partial<InferenceFailure> & { readonly kind: InferenceFailure["kind"] }): InferenceFailure {
  return { message: `scripted ${part.kind}`, isRetryable: false, afterFirstToken: false, ...part };
}

export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** All text of a request that a server would make tokens of. */
export function charsOf(request: ChatRequest): number {
  const messages = request.messages.reduce((sum, message) => sum + messageChars(message), 0);
  return messages + (request.tools === undefined ? 0 : JSON.stringify(request.tools).length);
}

function messageChars(message: ChatMessage): number {
  const calls = message.role === "assistant" ? JSON.stringify(message.toolCalls ?? []).length - 2 : 0;
  return message.content.length + calls;
}
