import type { Context } from "hono";
import type { ApiPorts } from "./ports.ts";
import { answerProblem, type ProblemResponse } from "./problem.ts";

/** What a node that is not the hub says to a node that takes it for the hub. */
export function answerNotHub(c: Context, ports: ApiPorts): ProblemResponse {
  const withheld = ports.fleet.failover?.obstacle();
  if (withheld !== undefined) return answerProblem(c, withheld);
  const { epoch, hub } = ports.fleet.standing();
  const message = hub === null ? "this node is no hub" : `this node is no hub; ${hub.name} at ${hub.url} is`;
  const extension = { epoch, hub: hub === null ? null : { ...hub } };
  return answerProblem(c, { code: "not_hub", message, remedy: "Ask the hub", extension });
}
