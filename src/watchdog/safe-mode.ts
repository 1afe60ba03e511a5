/**
 * What the watchdog itself answers on the node's port while no release runs: what failed, what can be done, and doing it.
 * Pure: a request in, an answer or an action out.
 *
 * S1: without the token nothing is said but that safe mode is on.
 * S2: nothing changes without the token, nor from a page of another origin.
 */
import type { JsonValue } from "#base";

/** What safe mode can say of what came before it. */
export type SafeModeFacts = {
  readonly version: string;
  readonly sinceMs: number;
  /** Why the node is not started again, in words. */
  readonly reason: string;
  /** The last faults, oldest first. */
  readonly faults: readonly { readonly atMs: number; readonly reason: string }[];
  /** The last lines that the node printed. */
  readonly lastLines: readonly string[];
  readonly logPath: string;
  readonly canRollBack: boolean;
  /** Of the budget of restarts, which is whole again after a restart that a person asked for. */
  readonly restarts: { readonly used: number; readonly allowed: number };
};

export type SafeModeRequest = {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly origin: string | null;
  readonly fetchSite: string | null;
  readonly hasToken: boolean;
};

export type SafeModeReply =
  | { readonly kind: "page"; readonly status: number; readonly html: string }
  | { readonly kind: "json"; readonly status: number; readonly body: JsonValue; readonly problem: boolean };

export type SafeModeAnswer =
  | SafeModeReply
  /** Carried out by the shell, which answers with `body`, or else with what came of it. */
  | { readonly kind: "act"; readonly action: SafeModeAction; readonly body?: JsonValue };

export type SafeModeAction = "restart" | "rollback" | "update" | "releases" | "shutdown" | "check";

const ACTIONS: Readonly<Record<string, SafeModeAction>> = {
  "POST /api/restart": "restart",
  "POST /api/rollback": "rollback",
  "POST /api/update": "update",
  "POST /api/shutdown": "shutdown",
  "GET /api/releases": "releases",
  "GET /api/update": "check",
};

/** The breaker that is open in safe mode; runtime/failsafes lists it for a node that runs. */
const CRASHES = "crashes";

/** @param hosts the names under which this node may be asked, lower case, without ports */
export function answerSafeMode(
  request: SafeModeRequest,
  facts: SafeModeFacts,
  hosts: ReadonlySet<string>,
): SafeModeAnswer {
  const { method, path } = request;
  if (!hosts.has(nameOf(request.host.toLowerCase()))) {
    return problem(403, "forbidden", "the watchdog does not answer under the host name that was asked for");
  }
  if (path === "/health/live") return health(true, "watchdog");
  if (path === "/health/ready" || path === "/health/startup") return health(false, "node");
  if (path === "/" && (method === "GET" || method === "HEAD")) {
    return { kind: "page", status: 503, html: page(facts) };
  }
  if (method !== "GET" && method !== "HEAD" && !isOwnOrigin(request)) {
    return problem(403, "forbidden", "changes are not taken from pages of another origin");
  }
  if (!request.hasToken) {
    const remedy = "Send Authorization: Bearer TOKEN; the token is in the file token of the state folder";
    return problem(401, "unauthorized", "safe mode is on, and a valid token is needed", remedy);
  }
  const action = ACTIONS[`${method} ${path.replace(/^\/api\/nodes\/[^/]+\/restart$/, "/api/restart")}`];
  if (action !== undefined) return { kind: "act", action };
  if (path === "/api/safe-mode" && method === "GET") return json(view(facts));
  if (path === "/api/breakers" && method === "GET") return json(heldBack(facts));
  if (path === `/api/breakers/${CRASHES}/reset` && method === "POST") {
    // What it holds back is the start of the node.
    return { kind: "act", action: "restart", body: letGo(facts) };
  }
  const remedy = `See ${facts.logPath}; try again with: drover node restart${facts.canRollBack ? ", or go back with: drover rollback" : ""}`;
  return problem(503, "safe_mode", `no node runs here: ${facts.reason}`, remedy);
}

function json(body: JsonValue): SafeModeReply {
  return { kind: "json", status: 200, problem: false, body };
}

/** As the node lists its own. Nothing else is held back while it does not run. */
function heldBack({ reason, sinceMs, restarts: { used, allowed } }: SafeModeFacts): JsonValue {
  const detail = `the node is not started again: ${reason}; when the cause is gone: drover node restart`;
  const crashes = { name: CRASHES, state: "open", sinceMs, value: used, limit: allowed, detail, isResettable: true };
  return { breakers: [crashes] };
}

function letGo({ restarts: { allowed } }: SafeModeFacts): JsonValue {
  const detail = "the node is started again, with a whole budget of restarts";
  const crashes = {
    name: CRASHES,
    state: "closed",
    sinceMs: null,
    value: 0,
    limit: allowed,
    detail,
    isResettable: true,
  };
  return { breakers: [crashes] };
}

function view(facts: SafeModeFacts): JsonValue {
  return {
    version: facts.version,
    sinceMs: facts.sinceMs,
    reason: facts.reason,
    faults: facts.faults.map((fault) => ({ ...fault })),
    lastLines: [...facts.lastLines],
    log: facts.logPath,
    canRollBack: facts.canRollBack,
  };
}

function health(isOk: boolean, name: string): SafeModeReply {
  const body = { status: isOk ? "ok" : "failing", checks: [{ name, ok: isOk }] };
  return { kind: "json", status: isOk ? 200 : 503, problem: false, body };
}

/** In the form of every other error of the API (RFC 9457). */
export function problem(status: number, code: string, detail: string, remedy?: string): SafeModeReply {
  const title = "The watchdog answers in the node's place";
  const body = { type: `urn:drover:problem:${code}`, title, status, detail, code };
  return { kind: "json", status, problem: true, body: remedy === undefined ? body : { ...body, remedy } };
}

function isOwnOrigin({ origin, fetchSite, host }: SafeModeRequest): boolean {
  if (fetchSite !== null && fetchSite !== "same-origin" && fetchSite !== "none") return false;
  if (origin === null) return true;
  return /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase() === host.toLowerCase();
}

function nameOf(host: string): string {
  return host.replace(/:\d+$/, "");
}

/** For whoever opens the address in a browser: says that, and where to go on. Nothing of the node's own (S1). */
function page({ version, canRollBack }: SafeModeFacts): string {
  const back = canRollBack ? "<li><code>drover rollback</code> goes back to the release before this one</li>" : "";
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>drover: safe mode</title></head>
<body>
<h1>drover ${escaped(version)} is in safe mode</h1>
<p>The node failed too often and is not started again by itself. Its tasks are kept. On this host:</p>
<ul>
<li><code>drover status</code> says what failed</li>
<li><code>drover doctor</code> looks for causes</li>
<li><code>drover node restart</code> tries again</li>
${back}
<li><code>drover update FILE</code> installs another release</li>
<li><code>drover down</code> stops the watchdog too</li>
</ul>
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
