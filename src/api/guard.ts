/** What every request passes before a route sees it: host, origin, rate, token; and the headers every answer gets. */
import type { Context, MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { REQUEST_BUCKETS_SECONDS } from "#telemetry";
import { type ApiEnv, bindingsOf } from "./environment.ts";
import { allowedHosts, isAllowedHost, isAllowedOrigin } from "./origin.ts";
import type { ApiPorts } from "./ports.ts";
import { answerProblem, type ProblemResponse } from "./problem.ts";
import { type ClientClass, ClientTable, DEFAULT_RATE_LIMITS, type RateLimit } from "./rate-limit.ts";
import { wantsStream } from "./routes/events.ts";

export type GuardOptions = {
  /** Names and addresses beside the loopback ones under which this API is reached. */
  readonly hosts: readonly string[];
  readonly rateLimits?: Partial<Record<ClientClass, RateLimit>>;
};

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

export function createGuard(ports: ApiPorts, options: GuardOptions): MiddlewareHandler<ApiEnv> {
  const hosts = allowedHosts(options.hosts);
  const clients = new ClientTable({ ...DEFAULT_RATE_LIMITS, ...options.rateLimits });
  const requests = ports.metrics.counter("drover_http_requests_total", "Requests answered, by route and status");
  const refusals = ports.metrics.counter("drover_http_refusals_total", "Requests refused before a route saw them");
  const seconds = ports.metrics.histogram(
    "drover_http_request_duration_seconds",
    "Time until an answer began",
    REQUEST_BUCKETS_SECONDS,
  );
  return async (c, next) => {
    const beganMs = ports.clock.monotonicMs();
    const refusal = refuse(c, ports, hosts, clients);
    if (refusal === undefined) await next();
    else {
      c.res = refusal;
      refusals.add({ status: String(refusal.status) });
    }
    addHeaders(c);
    // The last route that matched; a request that none matched counts as "*", so that series stay few.
    const labels = { method: methodLabel(c.req.method), route: refusal === undefined ? routePath(c, -1) : "*" };
    requests.add({ ...labels, status: String(c.res.status) });
    seconds.observe((ports.clock.monotonicMs() - beganMs) / 1_000, labels);
  };
}

function refuse(
  c: Context<ApiEnv>,
  ports: ApiPorts,
  hosts: ReadonlySet<string>,
  clients: ClientTable,
): ProblemResponse | undefined {
  const host = c.req.header("host") ?? new URL(c.req.url).host;
  if (!isAllowedHost(host, hosts)) {
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
  const isHealth = c.req.path.startsWith("/health/");
  const isPublic = isHealth || c.req.path === "/";
  const isKnown = !isPublic && hasToken(c, ports);
  const clientClass = isHealth ? "health" : isKnown ? classOf(c, isRead) : "anonymous";
  const address = bindingsOf(c).peerAddress ?? "";
  const decision = clients.take(clientClass, address, ports.clock.monotonicMs());
  if (!decision.allowed) {
    const seconds = Math.max(1, Math.ceil(decision.retryAfterMs / 1_000));
    const message = `too many requests of class ${clientClass} from here`;
    const problem = { code: "rate_limited", message, remedy: `Wait ${seconds} s and ask less often` } as const;
    return answerProblem(c, problem, { "retry-after": String(seconds) });
  }
  if (isPublic || isKnown) {
    c.set("clientClass", clientClass);
    return undefined;
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
