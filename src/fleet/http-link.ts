import type { z } from "zod";
import { err, type JsonValue, type Result, retryable } from "#base";
import type { QueueLink } from "./ports.ts";
import {
  claimAnswerSchema,
  commandsAnswerSchema,
  heartbeatAnswerSchema,
  MAX_WAIT_MS,
  waitAnswerSchema,
} from "./wire.ts";

/** One signed request to the hub; its failure says whether it may have taken effect. */
export type HubRequest = (
  method: "POST" | "GET",
  path: string,
  body: JsonValue,
  options: { readonly deadlineMs: number },
) => Promise<Result<JsonValue>>;

/** A commit of the hub takes milliseconds; one that waits for its server to come back takes seconds. */
const CALL_MS = 10_000;

/** The hub over HTTP. */
export function httpLink(request: HubRequest): QueueLink {
  const call = async <Schema extends z.ZodType>(
    path: string,
    body: unknown,
    schema: Schema,
    deadlineMs = CALL_MS,
  ): Promise<Result<z.output<Schema>>> => {
    // `as`: what is sent is JSON throughout.
    const answer = await request("POST", path, body as JsonValue, { deadlineMs });
    if (!answer.ok) return answer;
    const parsed = schema.safeParse(answer.value);
    if (parsed.success) return { ok: true, value: parsed.data };
    const reason = parsed.error.issues[0]?.message ?? "it has another shape";
    return err(retryable("unavailable", `${path}: the hub's answer cannot be read: ${reason}`, "Update this node"));
  };
  return {
    commands: (commands) => call("/api/commands", { commands }, commandsAnswerSchema),
    claim: (claim) => call("/api/fleet/claim", claim, claimAnswerSchema),
    heartbeat: (heartbeat) => call("/api/fleet/heartbeat", heartbeat, heartbeatAnswerSchema),
    wait: (wait) => call("/api/fleet/wait", wait, waitAnswerSchema, MAX_WAIT_MS + CALL_MS),
  };
}
