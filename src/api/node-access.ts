/** Which paths a node of the fleet may ask for under its signature, and letting it in. */
import type { Context } from "hono";
import { MAX_COMMANDS_BYTES, MAX_REQUEST_BYTES, type NodeId } from "#base";
import {
  EPOCH_QUERY,
  type FleetAction,
  mayDo,
  NONCE_HEADER,
  NONCE_PATTERN,
  type RequestGate,
  refusalText,
  roleFor,
  type TrustRefusal,
} from "#fleet";
import { type ApiEnv, bindingsOf } from "./environment.ts";
import { answerNotHub } from "./not-hub.ts";
import type { ApiPorts } from "./ports.ts";
import { answerProblem, type ProblemResponse } from "./problem.ts";
import type { ClientClass, ClientTable } from "./rate-limit.ts";
import { readBytes } from "./request-body.ts";

export type NodeAccess = {
  readonly action: FleetAction;
  /** The bearer of the node's token has no business there. */
  readonly isForNodesAlone: boolean;
  /** The body is read whole before the request is believed. */
  readonly maxBodyBytes: number;
};

/** The requests of a replica are a few hundred bytes; its answers stream. */
const MAX_REPLICA_BODY_BYTES = 64 * 1024;

/** A path, or with a slash at its end all below it. What is not here takes no signature. */
const PATHS: Readonly<Record<string, readonly [FleetAction, "nodes" | "people too", number?]>> = {
  "/api/commands": ["work", "nodes", MAX_COMMANDS_BYTES],
  "/api/fleet/claim": ["work", "nodes"],
  "/api/fleet/heartbeat": ["work", "nodes"],
  "/api/fleet/promoted": ["work", "nodes"],
  "/api/fleet/parts/push": ["work", "nodes"],
  "/api/fleet/parts/read": ["follow", "nodes"],
  // Who may not work may read; its route looks at who writes.
  "/api/fleet/blobs/": ["follow", "nodes"],
  "/api/fleet/vote": ["work", "nodes"],
  "/api/fleet/wait": ["follow", "nodes"],
  "/api/fleet/release": ["follow", "nodes"],
  "/api/fleet/hub": ["follow", "nodes"],
  "/api/fleet/key": ["follow", "nodes"],
  "/api/fleet/departed": ["follow", "nodes"],
  "/api/fleet/replica/": ["follow", "nodes", MAX_REPLICA_BODY_BYTES],
  "/api/fleet/settings/": ["manage", "people too"],
  "/api/repos": ["manage", "people too"],
  "/api/repos/": ["manage", "people too"],
  "/api/improvements": ["manage", "people too"],
  "/api/improvements/": ["manage", "people too"],
  "/api/proposals": ["manage", "people too"],
  "/api/proposals/": ["manage", "people too"],
  "/api/tokens": ["manage", "people too"],
  "/api/tokens/": ["manage", "people too"],
  "/api/nodes": ["manage", "people too"],
  "/api/nodes/": ["manage", "people too"],
};

/** @returns what a node must be allowed to do; undefined for a path that takes no signature. */
export function nodeAccess(path: string): NodeAccess | undefined {
  const found = PATHS[path] ?? Object.entries(PATHS).find(([name]) => name.endsWith("/") && path.startsWith(name))?.[1];
  if (found === undefined) return undefined;
  const [action, whom, maxBodyBytes = MAX_REQUEST_BYTES] = found;
  return { action, isForNodesAlone: whom === "nodes", maxBodyBytes };
}

/**
 * Believes a signed request or says why not. Afterwards `signedBody` and `fleetNode` are set.
 * A stranger is counted by its address and a node by its id, so that no stranger can keep a node out.
 */
export async function admitNode(
  c: Context<ApiEnv>,
  access: NodeAccess,
  { ports, clients }: { readonly ports: ApiPorts; readonly clients: ClientTable },
): Promise<ProblemResponse | undefined> {
  const { gate } = ports.fleet;
  const nowMs = ports.clock.monotonicMs();
  const nonce = c.req.header(NONCE_HEADER) ?? "";
  const refuse = (why: TrustRefusal, signedBy?: NodeId): ProblemResponse => {
    const slowDown =
      signedBy === undefined
        ? takePlace(c, clients, "anonymous", nowMs)
        : takePlace(c, clients, "node", nowMs, signedBy);
    if (slowDown !== undefined) return slowDown;
    // Also what is refused is answered under the signature: the node must know that it is the hub who refuses.
    if (NONCE_PATTERN.test(nonce)) c.set("answerNonce", nonce);
    return answerRefusal(c, gate, why);
  };
  const opened = gate.open((name) => c.req.header(name));
  if (!opened.ok) return refuse(opened.why);
  const body = await readBytes(c.req.raw, access.maxBodyBytes);
  if (!body.ok) return answerProblem(c, body.error);
  const { method } = c.req;
  const url = new URL(c.req.url);
  const verdict = gate.check({
    method,
    target: `${url.pathname}${url.search}`,
    body: body.value,
    claims: opened.claims,
  });
  // A hub that starts anew refuses every node once; were they strangers then, the many behind one address would be too many.
  if (!verdict.ok) return refuse(verdict.why, isSigned(verdict.why) ? verdict.node?.id : undefined);
  const { node } = verdict;
  c.set("answerNonce", nonce);
  const clientClass = `node_${node.role}` as const;
  const slowDown = takePlace(c, clients, clientClass, nowMs, node.id);
  if (slowDown !== undefined) return slowDown;
  if (!mayDo(node.role, access.action)) {
    const message = `${node.name} joined as ${node.role}, and ${c.req.path} needs ${roleFor(access.action)}`;
    const remedy = "Let it leave, and join with a token of that role: drover token create --role ROLE";
    return answerProblem(c, { code: "forbidden", message, remedy });
  }
  if (isOutrun(url, ports)) return answerNotHub(c, ports);
  c.set("signedBody", body.value);
  c.set("fleetNode", node);
  c.set("clientClass", clientClass);
  return undefined;
}

/** A hub of which a node knows that it was superseded does nothing for anybody; that node's signature covers what it says. */
function isOutrun({ searchParams }: URL, { fleet }: ApiPorts): boolean {
  const known = Number(searchParams.get(EPOCH_QUERY) ?? 0);
  const { role, epoch } = fleet.standing();
  if (role !== "hub" || !Number.isSafeInteger(known) || known <= epoch) return false;
  fleet.succession?.outrun(known);
  return true;
}

/** Whether a request was refused although its node did sign it. */
function isSigned(why: TrustRefusal): boolean {
  return (
    why === "session_changed" || why === "clock_skew" || why === "replayed" || why === "too_many" || why === "twin"
  );
}

function answerRefusal(c: Context<ApiEnv>, gate: RequestGate, why: TrustRefusal): ProblemResponse {
  const text = refusalText(why);
  switch (why) {
    case "session_changed":
    case "clock_skew":
      return answerProblem(c, { code: why, ...text, extension: { session: gate.session, nowMs: gate.nowMs() } });
    case "too_many":
      return answerProblem(c, { code: "rate_limited", ...text }, { "retry-after": "30" });
    case "twin":
      return answerProblem(c, { code: "conflict", ...text, extension: { why } });
    case "malformed":
    case "unknown_node":
    case "removed":
    case "bad_signature":
    case "replayed":
      return answerProblem(c, { code: "unauthorized", ...text, extension: { why } });
  }
}

/** Counts a request. @returns the answer to one too many. */
export function takePlace(
  c: Context<ApiEnv>,
  clients: ClientTable,
  clientClass: ClientClass,
  nowMs: number,
  client: string = bindingsOf(c).peerAddress ?? "",
): ProblemResponse | undefined {
  const decision = clients.take(clientClass, client, nowMs);
  if (decision.allowed) return undefined;
  const seconds = Math.max(1, Math.ceil(decision.retryAfterMs / 1_000));
  const message = `too many requests of class ${clientClass} from here`;
  const problem = { code: "rate_limited", message, remedy: `Wait ${seconds} s and ask less often` } as const;
  return answerProblem(c, problem, { "retry-after": String(seconds) });
}

/** Signs an answer of JSON; streams pass as they are. */
export async function signAnswer(response: Response, gate: RequestGate, nonce: string): Promise<Response> {
  if (!/^application\/([a-z.+-]+\+)?json/.test(response.headers.get("content-type") ?? "")) return response;
  const body = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(gate.answerHeaders(nonce, response.status, body)))
    headers.set(name, value);
  return new Response(body, { status: response.status, headers });
}
