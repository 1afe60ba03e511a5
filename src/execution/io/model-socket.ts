import { chmodSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { err, type Failure, type Logger, ok, type Result } from "#base";
import type { ChatEvent, ChatModel, ChatRequest, RequestContext } from "#inference";
import type { AttemptRef } from "../attempt.ts";
import { MAX_REQUEST_MODELS } from "../attempt-plan.ts";
import { systemFailure } from "./system-failure.ts";

/** A conversation as JSON: a context of 128k tokens of text, its images, and the tools. */
const MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * A model may load for minutes; deadlines are the service's. As an `object`, because the types of Bun 1.4.5 refuse this
 * option beside `unix` while the server obeys it (without it silence of 10 s ends the request).
 */
const NO_IDLE_LIMIT: object = { idleTimeout: 0 };

/** @returns where the node answers its workers' requests for replies, beside the socket they report on. */
export function modelSocketPath(workerSocketPath: string): string {
  return join(dirname(workerSocketPath), "model.sock");
}

const modelNames = z.array(z.string().max(200)).max(MAX_REQUEST_MODELS);

/** What a worker may say of its request; the rest is known of the attempt. */
const contextSchema = z.object({
  models: modelNames.optional(),
  namedModels: modelNames.optional(),
  tier: z.enum(["trivial", "standard", "complex"]).optional(),
  kinds: z.array(z.enum(["ollama", "openai", "anthropic"])).optional(),
  allowSpill: z.boolean().optional(),
  priority: z.enum(["critical", "high", "normal", "low", "background"]).optional(),
  goal: z.string().max(64).optional(),
});

const bodySchema = z.object({
  request: z.looseObject({ messages: z.array(z.looseObject({ role: z.string(), content: z.string() })).max(10_000) }),
  context: contextSchema,
});

export type ModelSocketOptions = {
  readonly path: string;
  readonly model: ChatModel;
  /** @returns the running attempt that has this token. */
  readonly attemptOf: (token: string) => AttemptRef | undefined;
  readonly logger: Logger;
};

/**
 * The node's side of {@link ModelLink}: a Unix socket of this user on which workers, known by their attempt's token,
 * have requests made. A worker that goes away ends its request.
 */
export class ModelSocket {
  readonly #options: ModelSocketOptions;
  #server: Bun.Server<undefined> | undefined;

  constructor(options: ModelSocketOptions) {
    this.#options = options;
  }

  listen(): Result<void, Failure> {
    const { path } = this.#options;
    try {
      rmSync(path, { force: true }); // left by a killed node; that no other one lives was seen at the worker socket
      this.#server = Bun.serve({
        unix: path,
        maxRequestBodySize: MAX_BODY_BYTES,
        fetch: (request) => this.#answer(request),
        ...NO_IDLE_LIMIT,
      });
      chmodSync(path, 0o600);
      return ok(undefined);
    } catch (error) {
      return err(systemFailure(error, `listen on ${path}`));
    }
  }

  /** Ends every request under way; workers ask the next node again. */
  async close(): Promise<void> {
    await this.#server?.stop(true);
    rmSync(this.#options.path, { force: true });
  }

  async #answer(request: Request): Promise<Response> {
    const { attemptOf, model } = this.#options;
    const token = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
    const ref = attemptOf(token);
    if (ref === undefined) return new Response("unknown attempt", { status: 401 });
    const parsed = bodySchema.safeParse(await request.json().catch(() => undefined));
    if (!parsed.success) return new Response("the body is no request", { status: 400 });
    const { context } = parsed.data;
    const bound: RequestContext = {
      purpose: "task",
      taskId: ref.taskId,
      attempt: ref.attempt,
      session: ref.taskId,
      ...(context.models === undefined ? {} : { models: context.models }),
      ...(context.namedModels === undefined ? {} : { namedModels: context.namedModels }),
      ...(context.tier === undefined ? {} : { tier: context.tier }),
      ...(context.kinds === undefined ? {} : { kinds: context.kinds }),
      ...(context.allowSpill === undefined ? {} : { allowSpill: context.allowSpill }),
      ...(context.priority === undefined ? {} : { priority: context.priority }),
      ...(context.goal === undefined ? {} : { goal: context.goal }),
    };
    const leaving = new AbortController();
    request.signal.addEventListener("abort", () => leaving.abort());
    // `as`: written by a worker of this release (ModelLink); the parts that decide anything here were checked.
    const asked = parsed.data.request as unknown as ChatRequest;
    return new Response(lines(model.chat(asked, bound, leaving.signal), leaving), {
      headers: { "content-type": "application/x-ndjson" },
    });
  }
}

/** One event a line; reads on only as the worker does. */
function lines(events: AsyncIterable<ChatEvent>, leaving: AbortController): ReadableStream<Uint8Array> {
  const iterator = events[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (next.done === true) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(next.value)}\n`));
      } catch (error) {
        controller.error(error);
      }
    },
    async cancel() {
      leaving.abort();
      await iterator.return?.();
    },
  });
}
