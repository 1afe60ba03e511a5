/** Every error of the API as `application/problem+json` (RFC 9457), from one table. */

import type { Context, TypedResponse } from "hono";
import { z } from "zod";
import { type Failure, type FailureCode, type FieldFault, type JsonObject, redactText } from "#base";

/** Codes that only exist at the edge, beside those of every {@link Failure}. */
export type ProblemCode =
  | FailureCode
  | "unauthorized"
  | "forbidden"
  | "method_not_allowed"
  | "unsupported_media_type"
  | "rate_limited"
  /** To a node: sign it anew, under what the answer tells. */
  | "session_changed"
  | "clock_skew"
  /** To a node: another one writes, which the answer names when it is known. */
  | "not_hub"
  /** What stands behind this node did not answer. */
  | "bad_gateway";

export type ProblemStatus =
  | 400
  | 401
  | 403
  | 404
  | 405
  | 409
  | 413
  | 415
  | 421
  | 422
  | 429
  | 500
  | 502
  | 503
  | 504
  | 507;

/** The one place that says which status and title a code has. */
export const PROBLEMS: Readonly<Record<ProblemCode, { readonly status: ProblemStatus; readonly title: string }>> = {
  invalid: { status: 400, title: "The request is not valid" },
  unauthorized: { status: 401, title: "A valid token is needed" },
  forbidden: { status: 403, title: "This request is not allowed from there" },
  session_changed: { status: 401, title: "The hub was started anew" },
  clock_skew: { status: 401, title: "The request is too old or too new" },
  not_hub: { status: 421, title: "Another node is the hub" },
  bad_gateway: { status: 502, title: "What stands behind this node did not answer" },
  not_found: { status: 404, title: "There is no such thing" },
  method_not_allowed: { status: 405, title: "This path does not take that method" },
  conflict: { status: 409, title: "The present state does not allow this" },
  stale_fence: { status: 409, title: "Somebody else holds the lease" },
  cancelled: { status: 409, title: "It was cancelled" },
  in_use: { status: 409, title: "It is in use" },
  too_large: { status: 413, title: "The request is too large" },
  unsupported_media_type: { status: 415, title: "The body must be JSON" },
  unsupported: { status: 422, title: "This node cannot do that" },
  limit: { status: 429, title: "A limit is reached" },
  rate_limited: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Something went wrong inside drover" },
  read_only: { status: 503, title: "The storage cannot be written" },
  corrupt: { status: 503, title: "The storage is damaged" },
  newer_schema: { status: 503, title: "The storage belongs to a newer drover" },
  unavailable: { status: 503, title: "Not available at the moment" },
  lost: { status: 503, title: "The outcome is not known" },
  not_replicated: { status: 503, title: "It is done on the hub, but not on enough other nodes yet" },
  too_few_replicas: { status: 503, title: "Too few nodes follow the hub" },
  timed_out: { status: 504, title: "It took too long" },
  disk_full: { status: 507, title: "The disk is full" },
};

export const problemSchema = z.object({
  /** `urn:drover:problem:` and the code. */
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  remedy: z.string().optional(),
  /** For validation: one entry per fault, `path` dotted (`verify.0.path`). */
  errors: z.array(z.object({ path: z.string(), reason: z.string() })).optional(),
  /** For unexpected errors: the id under which the log has the cause. */
  incident: z.string().optional(),
});
export type Problem = z.infer<typeof problemSchema>;

export type ProblemInput = {
  readonly code: ProblemCode;
  readonly message: string;
  readonly remedy?: string | undefined;
  readonly faults?: readonly FieldFault[] | undefined;
  readonly incident?: string | undefined;
  /** Further members of the document, for programs (RFC 9457, section 3.2). */
  readonly extension?: JsonObject | undefined;
};

/** Faults named in one answer: enough to fix a form, little enough that a bad batch does not echo itself back. */
export const MAX_FAULTS = 20;

/** @returns the problem document for a failure. What looks like a secret is taken out: an address may hold one. */
export function problemOf(input: ProblemInput): Problem {
  const { status, title } = PROBLEMS[input.code];
  return {
    ...input.extension,
    type: `urn:drover:problem:${input.code}`,
    title,
    status,
    detail: redactText(input.message),
    code: input.code,
    ...(input.remedy === undefined ? {} : { remedy: redactText(input.remedy) }),
    ...(input.faults === undefined ? {} : { errors: input.faults.slice(0, MAX_FAULTS).map(shownFault) }),
    ...(input.incident === undefined ? {} : { incident: input.incident }),
  };
}

function shownFault({ path, reason }: FieldFault): FieldFault {
  return { path, reason: redactText(reason) };
}

export type ProblemResponse = Response & TypedResponse<Problem, ProblemStatus, "json">;

/** Answers with the problem. */
export function answerProblem(
  c: Context,
  input: ProblemInput | Failure,
  headers: Readonly<Record<string, string>> = {},
): ProblemResponse {
  const problem = problemOf(input);
  // `as`: the body is the JSON text of a Problem and the status comes from the table.
  return c.newResponse(JSON.stringify(problem), PROBLEMS[input.code].status, {
    ...headers,
    "content-type": "application/problem+json",
  }) as ProblemResponse;
}
