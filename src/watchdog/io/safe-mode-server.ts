/** Answers on the node's socket while no release runs. */
import { timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { describeFailure, type JsonValue, ok, type Result } from "#base";
import { answerSafeMode, problem, type SafeModeAction, type SafeModeFacts, type SafeModeReply } from "../safe-mode.ts";
import { serveFromSocket } from "./shared-server.ts";

/** Bodies of actions: a path and an option or two. A release itself is uploaded to a node, or named by its path. */
const MAX_BODY_BYTES = 64 * 1024;

export type SafeModeOptions = {
  readonly socket: { readonly fd: number };
  readonly hosts: ReadonlySet<string>;
  readonly tokenPath: string;
  readonly facts: () => SafeModeFacts;
  readonly act: (action: SafeModeAction, body: JsonValue) => Promise<Result<JsonValue>>;
};

/** @returns a function that ends it; connections that wait then are the node's. */
export function serveSafeMode(options: SafeModeOptions): Result<() => Promise<void>> {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    maxRequestBodySize: MAX_BODY_BYTES,
    development: false,
    fetch: (request) => answer(request, options),
    error: () => new Response("the watchdog could not answer", { status: 500 }),
  });
  const shared = serveFromSocket(server, options.socket.fd);
  if (!shared.ok) {
    void server.stop(true);
    return shared;
  }
  return ok(async () => {
    shared.value.stopAccepting();
    await server.stop(false);
  });
}

async function answer(request: Request, options: SafeModeOptions): Promise<Response> {
  const { headers } = request;
  const decided = answerSafeMode(
    {
      method: request.method,
      path: new URL(request.url).pathname,
      host: headers.get("host") ?? "",
      origin: headers.get("origin"),
      fetchSite: headers.get("sec-fetch-site"),
      hasToken: hasToken(headers.get("authorization"), options.tokenPath),
    },
    options.facts(),
    options.hosts,
  );
  if (decided.kind !== "act") return response(decided);
  const body = await bodyOf(request);
  if (body === undefined) return response(problem(400, "invalid", "the body must be JSON"));
  const result = await options.act(decided.action, body);
  // What only looks has its answer now; everything else has begun.
  const status = request.method === "GET" ? 200 : 202;
  if (result.ok) return response({ kind: "json", status, problem: false, body: decided.body ?? result.value });
  return response(problem(409, result.error.code, describeFailure(result.error)));
}

function response(answered: SafeModeReply): Response {
  const common = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "retry-after": "5",
    // The node should get its clients back as soon as it runs.
    connection: "close",
  };
  if (answered.kind === "page") {
    return new Response(answered.html, {
      status: answered.status,
      headers: { ...common, "content-type": "text/html; charset=utf-8" },
    });
  }
  const type = answered.problem ? "application/problem+json" : "application/json";
  return new Response(JSON.stringify(answered.body), {
    status: answered.status,
    headers: { ...common, "content-type": type },
  });
}

/** Read anew for each request: nobody asks often, and a token may be replaced. */
function hasToken(authorization: string | null, tokenPath: string): boolean {
  const given = /^Bearer +([^\s]+) *$/i.exec(authorization ?? "")?.[1];
  if (given === undefined) return false;
  try {
    const [expected, offered] = [Buffer.from(readFileSync(tokenPath, "utf8").trim()), Buffer.from(given)];
    return expected.length > 0 && expected.length === offered.length && timingSafeEqual(expected, offered);
  } catch {
    return false; // No token was ever made, so none can be right.
  }
}

async function bodyOf(request: Request): Promise<JsonValue | undefined> {
  try {
    const text = await request.text();
    // `as`: whatever JSON.parse makes is a JSON value.
    return text.trim() === "" ? null : (JSON.parse(text) as JsonValue);
  } catch {
    return undefined;
  }
}
