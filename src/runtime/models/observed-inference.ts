import type { Clock } from "#base";
import {
  type ChatEvent,
  type ChatRequest,
  type InferencePorts,
  InferenceService,
  type RequestContext,
} from "#inference";
import type { ModelCall } from "#telemetry";

/** Of prompts and replies that are told on; more than any reader of traces shows. */
const MAX_TEXT_CHARS = 64 * 1024;

export type CallListener = (call: ModelCall) => void;

/** Tells of each chat when it is over, whatever became of it. */
export class ObservedInference extends InferenceService {
  readonly #clock: Clock;
  readonly #wantsTexts: boolean;
  readonly #listeners = new Set<CallListener>();

  /** @param wantsTexts whether prompts and replies are told too */
  constructor(ports: InferencePorts, wantsTexts: boolean) {
    super(ports);
    this.#clock = ports.clock;
    this.#wantsTexts = wantsTexts;
  }

  /** @returns a function that ends it. */
  onCall(listener: CallListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  override async *chat(
    request: ChatRequest,
    context: RequestContext,
    signal: AbortSignal,
  ): AsyncGenerator<ChatEvent, void, void> {
    const record = new CallRecord(request, context, this.#wantsTexts, this.#clock.nowMs());
    try {
      for await (const event of super.chat(request, context, signal)) {
        record.take(event, this.#clock.nowMs());
        yield event;
      }
    } finally {
      const call = record.end(this.#clock.nowMs());
      for (const listener of this.#listeners) listener(call);
    }
  }
}

class CallRecord {
  readonly #request: ChatRequest;
  readonly #context: RequestContext;
  readonly #startedAtMs: number;
  readonly #wantsTexts: boolean;
  #firstTokenAtMs: number | null = null;
  #routed: { readonly endpoint: string; readonly model: string } | undefined;
  #ended: Extract<ChatEvent, { kind: "done" | "failed" }> | undefined;
  #reply = "";
  #toolCalls: readonly string[] = [];

  constructor(request: ChatRequest, context: RequestContext, wantsTexts: boolean, startedAtMs: number) {
    this.#request = request;
    this.#context = context;
    this.#wantsTexts = wantsTexts;
    this.#startedAtMs = startedAtMs;
  }

  take(event: ChatEvent, nowMs: number): void {
    switch (event.kind) {
      case "routed":
        this.#routed = event;
        return;
      case "done":
      case "failed":
        this.#ended = event;
        return;
      case "toolCall":
        this.#toolCalls = [...this.#toolCalls, event.call.name];
        break;
      case "text":
        if (this.#wantsTexts && this.#reply.length < MAX_TEXT_CHARS) this.#reply += event.text;
        break;
      case "thinking":
        break;
    }
    this.#firstTokenAtMs ??= nowMs;
  }

  end(endedAtMs: number): ModelCall {
    const { taskId = null, attempt = null, goal = null } = this.#context;
    const ended = this.#ended;
    const failed = ended?.kind === "failed" ? ended : undefined;
    const done = ended?.kind === "done" ? ended : undefined;
    const options = this.#request.options ?? {};
    return {
      taskId,
      attempt,
      goal,
      endpoint: this.#routed?.endpoint ?? null,
      model: this.#routed?.model ?? failed?.model ?? null,
      startedAtMs: this.#startedAtMs,
      endedAtMs,
      firstTokenAtMs: this.#firstTokenAtMs,
      promptTokens: done?.usage.promptTokens ?? 0,
      completionTokens: done?.usage.completionTokens ?? 0,
      costMicrodollars: done?.costMicrodollars ?? 0,
      maxTokens: options.maxTokens ?? null,
      temperature: options.temperature ?? null,
      toolCalls: this.#toolCalls,
      outcome:
        ended === undefined || failed?.failure.kind === "cancelled" ? "cut" : failed === undefined ? "ok" : "failed",
      failure: failed === undefined ? null : { kind: failed.failure.kind, message: failed.failure.message },
      texts: this.#wantsTexts ? { prompt: promptOf(this.#request), reply: this.#reply } : null,
    };
  }
}

/** The messages as JSON, from the end: what was asked last says most. */
function promptOf({ messages, completion }: ChatRequest): string {
  const said = messages.map(({ role, content }) => ({ role, content }));
  const text = JSON.stringify(completion === undefined ? said : [{ role: "user", content: completion.prompt }]);
  return text.length <= MAX_TEXT_CHARS ? text : text.slice(-MAX_TEXT_CHARS);
}
