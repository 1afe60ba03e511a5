/** What both dialects of the gateway share: reading a body, and naming the models that may answer. Pure but for the hash. */
import { createHash } from "node:crypto";
import type { z } from "zod";
import { err, type JsonObject, ok, type Result } from "#base";
import type { ChatMessage, ChatRequest, EmbedRequest, RequestContext, ToolCall } from "#inference";
import { faultsOf } from "../faults.ts";

/** A request as the service takes it, with what only the answer needs to know. */
export type GatewayRequest = {
  readonly request: ChatRequest;
  readonly context: RequestContext;
  /** As the client wrote it; answers repeat it. */
  readonly model: string;
  readonly isStreamed: boolean;
};

/** Texts to be made vectors, as the service takes them. */
export type EmbedAsked = { readonly model: string; readonly request: EmbedRequest };

/** Names that stand for a tier instead of a model: the fleet chooses. */
const TIER_MODELS: Readonly<Record<string, RequestContext["tier"]>> = {
  "drover:auto": undefined,
  "drover:trivial": "trivial",
  "drover:standard": "standard",
  "drover:complex": "complex",
};

export const TIER_NAMES: readonly string[] = Object.keys(TIER_MODELS);

/** @returns the tier that the name stands for; undefined for `drover:auto`, and for the name of a model. */
export function tierOfName(name: string): RequestContext["tier"] {
  return Object.hasOwn(TIER_MODELS, name) ? TIER_MODELS[name] : undefined;
}

/** @returns whether the name stands for a choice of the fleet's. */
function isTierModel(model: string): boolean {
  return Object.hasOwn(TIER_MODELS, model);
}

/**
 * @param classify says how hard a prompt is, for `drover:auto`
 * @returns for whom and by which models the request is answered. Requests of one conversation, known by its beginning,
 * prefer the endpoint that has its prefix in its cache.
 */
export function gatewayContext(
  model: string,
  messages: readonly ChatMessage[],
  classify: (prompt: string) => { readonly tier: NonNullable<RequestContext["tier"]> },
): RequestContext {
  const beginning = messages.slice(0, 2).map(({ role, content }) => `${role}:${content}`);
  const session = createHash("sha256")
    .update([model, ...beginning].join("\n"))
    .digest("hex")
    .slice(0, 16);
  if (!isTierModel(model)) return { purpose: "gateway", session, models: [model] };
  const lastUser = messages.findLast(({ role }) => role === "user")?.content ?? "";
  return { purpose: "gateway", session, tier: tierOfName(model) ?? classify(lastUser).tier };
}

/** @returns the body, or what is wrong with it in one sentence. */
export function parseBody<S extends z.ZodType>(schema: S, text: string): Result<z.output<S>, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return err(`the body is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const [first] = faultsOf(parsed.error, schema);
  const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
  return err(`invalid request: ${where}${first?.reason ?? "it cannot be read"}`);
}

/** Arguments of a call that a client sends back: an object with Ollama, a text with OpenAI. */
export function toolCallOf(name: string, given: unknown, id: string): ToolCall {
  return { id, name, arguments: argumentsOf(given) ?? {} };
}

/** @returns the arguments as an object, or undefined when they are none. */
export function argumentsOf(given: unknown): JsonObject | undefined {
  if (typeof given === "string") {
    if (given.trim() === "") return {};
    try {
      return argumentsOf(JSON.parse(given));
    } catch {
      return undefined;
    }
  }
  if (given === undefined || given === null) return {};
  // `as`: it came out of JSON, and is an object that is no array.
  return typeof given === "object" && !Array.isArray(given) ? (given as JsonObject) : undefined;
}

/** A field of what is built, left out when nothing was given. */
export function given<Name extends string, T>(name: Name, value: T | null | undefined): { readonly [K in Name]?: T } {
  // `as`: the object has this one field, or none.
  return (value === null || value === undefined ? {} : { [name]: value }) as { readonly [K in Name]?: T };
}
