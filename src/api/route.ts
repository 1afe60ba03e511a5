/** One description per route: it checks the request, types the handler and the client, and becomes OpenAPI. */

import type { Context, MiddlewareHandler } from "hono";
import type { z } from "zod";
import { err, type FieldFault, ok, type Result, refused } from "#base";
import type { ApiEnv } from "./environment.ts";
import { faultsOf } from "./faults.ts";
import { parseBoundedJson } from "./json-shape.ts";
import { answerProblem, type ProblemInput } from "./problem.ts";
import { decodeBody, readBody } from "./request-body.ts";

export type Tag =
  | "tasks"
  | "goals"
  | "dead letters"
  | "queue"
  | "schedules"
  | "figures"
  | "alerts"
  | "audit"
  | "events"
  | "node"
  | "mind"
  | "fleet"
  | "releases"
  | "health"
  | "hardware"
  | "models"
  | "webhooks"
  | "notices"
  | "repositories"
  | "gateway";

/** One answer a route gives; without a schema it is text of the given media type. */
export type ResponseSpec = {
  readonly description: string;
  readonly mediaType: string;
  readonly schema?: z.ZodType;
  readonly example: unknown;
};

/** A JSON body: the schema that describes it, and how it is read. */
export type JsonBody<In, Out> = {
  readonly schema: z.ZodType;
  readonly example: In;
  /** True when the body may be left out; it is then read as `{}`. */
  readonly optional: boolean;
  readonly parse: (value: unknown) => Result<Out, readonly FieldFault[]>;
};

export type RouteSpec = {
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  /** Open to everybody: no token. */
  readonly isPublic?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: z.ZodObject;
  readonly json?: JsonBody<unknown, unknown>;
  readonly responses: Readonly<Record<number, ResponseSpec>>;
};

type QueryInput<Q> = Q extends z.ZodType
  ? object extends z.input<Q>
    ? { query?: z.input<Q> }
    : { query: z.input<Q> }
  : unknown;
type QueryOutput<Q> = Q extends z.ZodType ? { query: z.output<Q> } : unknown;
type JsonInput<J> = J extends JsonBody<infer In, infer _Out> ? { json: In } : unknown;
type JsonOutput<J> = J extends JsonBody<infer _In, infer Out> ? { json: Out } : unknown;
type RouteInput<Q, J> = { in: object & QueryInput<Q> & JsonInput<J>; out: object & QueryOutput<Q> & JsonOutput<J> };

const SPEC = Symbol("route description");

/** Describes and guards a route: a request that does not fit is answered with a problem before the handler runs. */
export function route<Q extends z.ZodObject | undefined = undefined, J = undefined>(
  spec: Omit<RouteSpec, "query" | "json"> & { readonly query?: Q; readonly json?: J },
): MiddlewareHandler<ApiEnv, string, RouteInput<Q, J>> {
  // `as`: Q and J are inferred from members of these very types.
  const full = spec as RouteSpec;
  const check: MiddlewareHandler<ApiEnv> = async (c, next) => {
    if (full.query !== undefined) {
      const query = parseQuery(c, full.query);
      if (!query.ok) return answerProblem(c, query.error);
      c.req.addValidatedData("query", query.value);
    }
    if (full.json !== undefined) {
      const json = await parseJson(c, full.json);
      if (!json.ok) return answerProblem(c, json.error);
      c.req.addValidatedData("json", json.value as object); // `as`: hono only stores it
    }
    return next();
  };
  // `as`: what was validated has the types that RouteInput states.
  return Object.assign(check, { [SPEC]: full }) as MiddlewareHandler<ApiEnv, string, RouteInput<Q, J>>;
}

/** @returns the description a handler carries, when it was made by {@link route}. */
export function routeSpecOf(handler: unknown): RouteSpec | undefined {
  if (typeof handler !== "function" || !(SPEC in handler)) return undefined;
  return handler[SPEC] as RouteSpec; // `as`: only route() sets this symbol
}

/** An answer with a JSON body. */
export function json<S extends z.ZodType>(description: string, schema: S, example: z.input<S>): ResponseSpec {
  return { description, mediaType: "application/json", schema, example };
}

/** An answer with a body that is not JSON. */
export function text(description: string, mediaType: string, example: string): ResponseSpec {
  return { description, mediaType, example };
}

/** A JSON body that is checked by its schema alone. */
export function body<S extends z.ZodType>(
  schema: S,
  example: z.input<S>,
  optional = false,
): JsonBody<z.input<S>, z.output<S>> {
  return {
    schema,
    example,
    optional,
    parse: (value) => {
      const parsed = schema.safeParse(value);
      return parsed.success ? ok(parsed.data) : err(faultsOf(parsed.error, schema));
    },
  };
}

/** A query field repeated is refused rather than guessed at. */
function parseQuery(c: Context<ApiEnv>, schema: z.ZodObject): Result<object, ProblemInput> {
  const given = c.req.queries();
  const repeated = Object.entries(given).filter(([, values]) => values.length > 1);
  if (repeated.length > 0) {
    const faults = repeated.map(([path]) => ({ path, reason: "is given more than once" }));
    return err({ code: "invalid", message: "the query repeats a field", faults });
  }
  const single = Object.fromEntries(Object.entries(given).map(([name, values]) => [name, values[0]]));
  const parsed = schema.safeParse(single);
  if (parsed.success) return ok(parsed.data);
  return err(invalid("query", faultsOf(parsed.error, schema)));
}

async function parseJson(c: Context<ApiEnv>, spec: JsonBody<unknown, unknown>): Promise<Result<unknown, ProblemInput>> {
  // That of a node was read before it was believed, within the limit of its path.
  const signed = c.get("signedBody");
  const raw = signed === undefined ? await readBody(c.req.raw) : decodeBody(signed);
  if (!raw.ok) return raw;
  if (raw.value === "" && spec.optional) return checked(spec, {});
  const type = (c.req.header("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json" && !/^application\/[a-z0-9.+-]+\+json$/.test(type)) {
    const named = type === "" ? "no content type" : `content type ${type}`;
    return err({
      code: "unsupported_media_type",
      message: `the body has ${named}`,
      remedy: "Send JSON with Content-Type: application/json",
    });
  }
  if (raw.value === "") return err(refused("invalid", "the body is empty", "Send one JSON document"));
  const value = parseBoundedJson(raw.value);
  return value.ok ? checked(spec, value.value) : value;
}

function checked(spec: JsonBody<unknown, unknown>, value: unknown): Result<unknown, ProblemInput> {
  const parsed = spec.parse(value);
  return parsed.ok ? parsed : err(invalid("body", parsed.error));
}

function invalid(what: "query" | "body", faults: readonly FieldFault[]): ProblemInput {
  const [first] = faults;
  const where = first === undefined || first.path === "" ? "" : `${first.path}: `;
  const more = faults.length > 1 ? ` (and ${faults.length - 1} more)` : "";
  return {
    code: "invalid",
    message: `the ${what} is not valid: ${where}${first?.reason ?? "it was refused"}${more}`,
    faults,
  };
}
