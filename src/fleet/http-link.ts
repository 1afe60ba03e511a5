import type { z } from "zod";
import { err, type Failure, type JsonValue, type Result, retryable } from "#base";
import type { QueueLink } from "./ports.ts";
import type { Position } from "./position.ts";
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

/**
 * The hub over HTTP. Every call says which epoch this node knows, so that a hub that was superseded hears it; what such a
 * hub answers is not believed, whoever told this node of the other one.
 * @param knownEpoch the highest that this node knows
 */
export function httpLink(request: HubRequest, knownEpoch: () => number): QueueLink {
  const call = async <Schema extends z.ZodType<Position>>(
    path: string,
    body: object,
    schema: Schema,
    deadlineMs = CALL_MS,
  ): Promise<Result<z.output<Schema>>> => {
    const answer = await request("POST", path, { ...body, epoch: knownEpoch() }, { deadlineMs });
    if (!answer.ok) return answer;
    const parsed = schema.safeParse(answer.value);
    if (parsed.success) {
      const { epoch } = parsed.data;
      return epoch < knownEpoch() ? err(superseded(path, epoch, knownEpoch())) : { ok: true, value: parsed.data };
    }
    const reason = parsed.error.issues[0]?.message ?? "it has another shape";
    return err(retryable("unavailable", `${path}: the hub's answer cannot be read: ${reason}`, "Update this node"));
  };
  return {
    commands: (commands) => call("/api/commands", { commands }, commandsAnswerSchema),
    claim: (claim) => call("/api/fleet/claim", claim, claimAnswerSchema),
    heartbeat: (heartbeat, limitMs = CALL_MS) =>
      call("/api/fleet/heartbeat", heartbeat, heartbeatAnswerSchema, Math.min(limitMs, CALL_MS)),
    wait: (wait) => call("/api/fleet/wait", wait, waitAnswerSchema, MAX_WAIT_MS + CALL_MS),
  };
}

/** Retryable: the node finds the other hub, or the hub of before hears of it and becomes its member. */
function superseded(path: string, epoch: number, known: number): Failure {
  return retryable(
    "unavailable",
    `${path}: a hub of epoch ${epoch} answered, and epoch ${known} has begun`,
    "The node looks for the new hub by itself; see drover status on the other nodes",
  );
}
