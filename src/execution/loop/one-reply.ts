import type { ChatEvent, ChatModel, InferenceFailure, RequestContext, TokenUsage } from "#inference";
import type { Due } from "./due.ts";
import type { Interruption } from "./interruption.ts";
import type { LoopPlan } from "./loop-plan.ts";
import type { LoopEvent } from "./loop-state.ts";
import type { ReplyParser, ReplyReading } from "./reply-parser.ts";

type Untimed<T> = T extends { readonly tookMs: number } ? Omit<T, "tookMs"> : never;
/** How asking ended, but for how long it took. */
export type Asked = Untimed<Extract<LoopEvent, { kind: "replied" | "askFailed" }>>;

const NO_USAGE: TokenUsage = { promptTokens: 0, completionTokens: 0 };

/** Streams one reply into the parser. A model that goes on for ever is listened to up to `limits.replyChars`. */
export async function askOnce(
  next: Extract<Due, { kind: "ask" }>,
  use: {
    readonly model: ChatModel;
    readonly context: RequestContext;
    readonly parser: ReplyParser;
    readonly plan: LoopPlan;
    readonly interruption: Interruption;
    /** Hears of each piece: the characters so far, and what can be shown of it. */
    readonly onPiece: (chars: number, shown: string) => void;
  },
): Promise<Asked> {
  const { model, plan, parser, interruption } = use;
  const context = next.models.length === 0 ? use.context : { ...use.context, models: next.models };
  const reply = new ReplyInProgress((name) => parser.read(plan.tools, next.mode, name), use.onPiece);
  const stream = model.chat(next.request, context, interruption.signal)[Symbol.asyncIterator]();
  for (;;) {
    const item = await interruption.orGone(stream.next());
    if (item === "gone") return reply.failed(failed("timedOut", "the model did not stop when told to"));
    if (item.done === true) return reply.failed(failed("cut", "the stream of the reply ended without its end"));
    const asked = reply.take(item.value);
    if (asked !== undefined) return asked;
    if (reply.chars > plan.limits.replyChars) {
      interruption.interrupt();
      // Not awaited: what is left of the stream is nobody's business any more.
      void stream.return?.();
      return reply.replied(true, NO_USAGE, 0);
    }
  }
}

class ReplyInProgress {
  chars = 0;
  #pieces = 0;
  readonly #begin: (model: string) => ReplyReading;
  readonly #onPiece: (chars: number, shown: string) => void;
  #begun: ReplyReading | undefined;
  #endpoint = "?";
  #model = "";
  #contextTokens: number | null = null;

  constructor(begin: (model: string) => ReplyReading, onPiece: (chars: number, shown: string) => void) {
    this.#begin = begin;
    this.#onPiece = onPiece;
  }

  /** Begun with the first piece, by when it is known which model replies. */
  get #reading(): ReplyReading {
    this.#begun ??= this.#begin(this.#model);
    return this.#begun;
  }

  /** @returns how asking ended, when this was the last event. */
  take(event: ChatEvent): Asked | undefined {
    switch (event.kind) {
      case "routed":
        this.#endpoint = event.endpoint;
        this.#model = event.model;
        this.#contextTokens = event.contextTokens;
        return undefined;
      case "thinking":
        this.#pieces += 1;
        this.chars += event.text.length;
        this.#reading.thinking(event.text);
        this.#onPiece(this.chars, "");
        return undefined;
      case "text":
        this.#pieces += 1;
        this.chars += event.text.length;
        this.#onPiece(this.chars, this.#reading.text(event.text));
        return undefined;
      case "toolCall":
        this.#pieces += 1;
        this.chars += typeof event.call.arguments === "string" ? event.call.arguments.length : 0;
        this.#reading.call(event.call);
        return undefined;
      case "done":
        return this.replied(event.reason === "length", event.usage, event.costMicrodollars);
      case "failed":
        return this.failed(event.failure, event.model);
    }
  }

  failed(failure: InferenceFailure, model = this.#model): Asked {
    return { kind: "askFailed", failure, model, pieces: this.#pieces };
  }

  replied(isCut: boolean, usage: TokenUsage, costMicrodollars: number): Asked {
    return {
      kind: "replied",
      reply: this.#reading.end(isCut),
      isCut,
      usage: { promptTokens: usage.promptTokens, completionTokens: usage.completionTokens },
      costMicrodollars,
      endpoint: this.#endpoint,
      model: this.#model,
      contextTokens: this.#contextTokens,
    };
  }
}

function failed(kind: InferenceFailure["kind"], message: string): InferenceFailure {
  return { kind, message, isRetryable: true, afterFirstToken: true };
}
