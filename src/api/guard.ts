/** What every request passes before a route sees it: host, origin, rate, token; and the headers every answer gets. */
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { NODE_HEADER } from "#fleet";
import { REQUEST_BUCKETS_SECONDS } from "#telemetry";
import type { ApiEnv } from "./environment.ts";
import { admitNode, type NodeAccess, nodeAccess, signAnswer, takePlace } from "./node-access.ts";
import { allowedHosts, isAllowedHost, isAllowedOrigin } from "./origin.ts";
import type { ApiPorts } from "./ports.ts";
import { answerProblem, type ProblemResponse } from "./problem.ts";
import { type ClientClass, ClientTable, type RateLimit, type RateLimits } from "./rate-limit.ts";
import { wantsStream } from "./routes/events.ts";

export type GuardOptions = {
  /** Names and addresses beside the loopback ones under which this API is reached. */
  readonly hosts: readonly string[];
  readonly rateLimits?: Partial<Record<ClientClass, RateLimit>>;
};

export const JOIN_PATH = "/api/join";
/** One of a source; what lies below `deliveries` is for people. */
const WEBHOOK_PATH = /^\/api\/webhooks\/[^/]+$/;
/** Longer than any token drover makes; a longer one is not compared. */
const MAX_TOKEN_CHARS = 512;

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};
/** Answers that are not pages load nothing at all. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** @param limits what holds for each class, asked for each request */
export function createGuard(
  ports: ApiPorts,
  options: Pick<GuardOptions, "hosts">,
  limits: RateLimits,
): MiddlewareHandler<ApiEnv> {
  const hosts = allowedHosts(options.hosts);
  const clients = new ClientTable(limits);
  const requests = ports.metrics.counter("drover_http_requests_total", "Requests answered, by route and status");
  const refusals = ports.metrics.counter("drover_http_refusals_total", "Requests refused before a route saw them");
  const seconds = ports.metrics.histogram(
    "drover_http_request_duration_seconds",
    "Time until an answer began",
    REQUEST_BUCKETS_SECONDS,
  );
  return async (c, next) => {
    const beganMs = ports.clock.monotonicMs();
    const refusal = await refuse(c, ports, hosts, clients);
    if (refusal === undefined) await next();
    else {
      c.res = refusal;
      refusals.add({ status: String(refusal.status) });
    }
    const nonce = c.get("answerNonce");
    if (nonce !== undefined) c.res = await signAnswer(c.res, ports.fleet.gate, nonce);
    addHeaders(c);
    // The last route that matched; a request that none matched counts as "*", so that series stay few.
    const labels = { method: methodLabel(c.req.method), route: refusal === undefined ? routePath(c, -1) : "*" };
    requests.add({ ...labels, status: String(c.res.status) });
    seconds.observe((ports.clock.monotonicMs() - beganMs) / 1_000, labels);
  };
}

async function refuse(
  c: Context<ApiEnv>,
  ports: ApiPorts,
  hosts: ReadonlySet<string>,
  clients: ClientTable,
): Promise<ProblemResponse | undefined> {
  const access = nodeAccess(c.req.path);
  const isSigned = access !== undefined && c.req.header(NODE_HEADER) !== undefined;
  const isJoin = c.req.path === JOIN_PATH;
  const isWebhook = c.req.method === "POST" && WEBHOOK_PATH.test(c.req.path);
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  // A page cannot sign and has no token to join with, so a name that it invented gains it nothing there; and the nodes of
  // a fleet need no list of the names under which the others reach them. Webhooks come under the name that a proxy or
  // tunnel has, and are signed as well.
  if (!isSigned && !isJoin && !isWebhook && !isAllowedHost(host, hosts)) {
    return answerProblem(c, {
      code: "forbidden",
      message: "this API does not answer under the host name that was asked for",
      remedy: "Use 127.0.0.1 or localhost, or add the name to http.allow_hosts in the configuration",
    });
  }
  const isRead = c.req.method === "GET" || c.req.method === "HEAD" || c.req.method === "OPTIONS";
  if (!isRead && !isAllowedOrigin(c.req.header("origin"), c.req.header("sec-fetch-site"), host)) {
    return answerProblem(c, { code: "forbidden", message: "changes are not taken from pages of another origin" });
  }
  if (isSigned) return admitNode(c, access, { ports, clients });
  const isHealth = c.req.path.startsWith("/health/");
  const isPublic = isHealth || isJoin || isWebhook || c.req.path === "/";
  const isKnown = !isPublic && hasToken(c, ports);
  const clientClass = publicClass(c.req.path, isWebhook) ?? (isKnown ? classOf(c, isRead) : "anonymous");
  const slowDown = takePlace(c, clients, clientClass, ports.clock.monotonicMs());
  if (slowDown !== undefined) return slowDown;
  if (isPublic || (isKnown && access?.isForNodesAlone !== true)) {
    c.set("clientClass", clientClass);
    return undefined;
  }
  return refuseStranger(c, access, isKnown);
}

function refuseStranger(c: Context<ApiEnv>, access: NodeAccess | undefined, isKnown: boolean): ProblemResponse {
  if (isKnown && access !== undefined) {
    const message = `${c.req.path} is for the nodes of the fleet, which sign their requests`;
    return answerProblem(c, { code: "forbidden", message, remedy: "See docs/operations/fleet.md" });
  }
  return answerProblem(
    c,
    {
      code: "unauthorized",
      message: c.req.header("authorization") === undefined ? "no token was given" : "the token is not valid",
      remedy: "Send Authorization: Bearer TOKEN; the token is in the file token of the state folder",
    },
    { "www-authenticate": 'Bearer realm="drover"' },
  );
}

function hasToken(c: Context<ApiEnv>, ports: ApiPorts): boolean {
  const match = /^Bearer +([^\s]+) *$/i.exec(c.req.header("authorization") ?? "");
  const token = match?.[1];
  return token !== undefined && token.length <= MAX_TOKEN_CHARS && ports.checkToken(token);
}

function publicClass(path: string, isWebhook: boolean): ClientClass | undefined {
  if (path.startsWith("/health/")) return "health";
  if (path === JOIN_PATH) return "join";
  return isWebhook ? "webhook" : undefined;
}

function classOf(c: Context<ApiEnv>, isRead: boolean): ClientClass {
  if (!isRead) return "write";
  return c.req.path === "/api/events" && wantsStream(c.req.header("accept")) ? "stream" : "read";
}

function addHeaders(c: Context<ApiEnv>): void {
  const { headers } = c.res;
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) headers.set(name, value);
  if (!headers.has("content-security-policy")) headers.set("content-security-policy", DATA_POLICY);
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
}

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);

/** Anybody may invent methods; they share one series. */
function methodLabel(method: string): string {
  return METHODS.has(method) ? method : "other";
}
