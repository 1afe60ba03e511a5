/** The way of the nodes' replicas to the libSQL server behind the hub: that server listens on this host alone. */
import { type Context, Hono } from "hono";
import { type NodeId, refused } from "#base";
import { EPOCH_QUERY } from "#fleet";
import { type ApiEnv, bindingsOf } from "../environment.ts";
import { answerNotHub } from "../not-hub.ts";
import type { ApiPorts } from "../ports.ts";
import { answerProblem } from "../problem.ts";

const PREFIX = "/api/fleet/replica";
/** What a replica that only reads asks for. Everything else (SQL, writes through a replica) is not passed on. */
const PASSED = /^\/(info|wal_log\.ReplicationLog\/[A-Za-z]{1,64})$/;
/** Each holds a connection to the server; a node needs one or two. */
const MAX_STREAMS = 512;
const MAX_STREAMS_OF_NODE = 8;
/** Of a connection and not of what it carries, or meant for this node; the server gets a token of its own. */
const NOT_PASSED = new Set([
  "host",
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-length",
  "authorization",
]);
const NOT_ANSWERED = new Set(["connection", "keep-alive", "transfer-encoding", "content-encoding", "content-length"]);

/** Streams that are open, by node, so that those of a node that is removed can be cut. */
class OpenStreams {
  readonly #nodes = new Map<NodeId, Set<AbortController>>();
  #count = 0;

  /** @returns what ends the stream; undefined when there are too many. */
  open(node: NodeId): AbortController | undefined {
    const mine = this.#nodes.get(node) ?? new Set<AbortController>();
    if (this.#count >= MAX_STREAMS || mine.size >= MAX_STREAMS_OF_NODE) return undefined;
    const stream = new AbortController();
    mine.add(stream);
    this.#nodes.set(node, mine);
    this.#count += 1;
    return stream;
  }

  close(node: NodeId, stream: AbortController): void {
    const mine = this.#nodes.get(node);
    if (mine?.delete(stream) !== true) return;
    this.#count -= 1;
    if (mine.size === 0) this.#nodes.delete(node);
  }

  cut(node: NodeId): void {
    for (const stream of this.#nodes.get(node) ?? []) stream.abort();
  }
}

export function replicaRoutes(ports: ApiPorts) {
  const streams = new OpenStreams();
  ports.fleet.onRemoved((id) => streams.cut(id));
  return new Hono<ApiEnv>().all(`${PREFIX}/*`, async (c) => {
    const node = c.get("fleetNode");
    const server = node === undefined ? undefined : ports.fleet.replica(node.role);
    if (node === undefined || server === undefined) return answerNotHub(c, ports);
    const path = c.req.path.slice(PREFIX.length);
    if (!PASSED.test(path)) {
      return answerProblem(
        c,
        refused("not_found", "only what a replica reads is passed on", "Send changes to /api/commands"),
      );
    }
    const stream = streams.open(node.id);
    if (stream === undefined) {
      return answerProblem(c, { code: "limit", message: "too many replicas follow at once" }, { "retry-after": "5" });
    }
    const close = (): void => streams.close(node.id, stream);
    bindingsOf(c).exemptFromIdleTimeout?.(true);
    try {
      const signal = AbortSignal.any([stream.signal, c.req.raw.signal]);
      const answer = await fetch(`${server.url}${path}${searchOf(c.req.url)}`, {
        method: c.req.method,
        headers: passedHeaders(c, server.token),
        body: c.req.method === "GET" ? null : (c.get("signedBody") ?? null),
        redirect: "manual",
        signal,
        proxy: false,
        timeout: false,
      });
      return new Response(ended(answer.body, close, stream.signal), {
        status: answer.status,
        headers: answered(answer.headers),
      });
    } catch (cause) {
      close();
      const reason = cause instanceof Error ? cause.message : String(cause);
      return answerProblem(c, { code: "bad_gateway", message: `the libSQL server does not answer: ${reason}` });
    }
  });
}

/** Without what is meant for this node. */
function searchOf(url: string): string {
  const { searchParams } = new URL(url);
  searchParams.delete(EPOCH_QUERY);
  return searchParams.size === 0 ? "" : `?${searchParams.toString()}`;
}

function passedHeaders(c: Context<ApiEnv>, token: string): Headers {
  const headers = new Headers();
  for (const [name, value] of c.req.raw.headers) {
    if (!NOT_PASSED.has(name) && !name.startsWith("x-drover-")) headers.set(name, value);
  }
  headers.set("authorization", `Bearer ${token}`);
  // gRPC-web reads it, HTTP does not: the replica's client sends it in this place too.
  headers.set("x-authorization", `Bearer ${token}`);
  return headers;
}

function answered(from: Headers): Headers {
  const headers = new Headers();
  for (const [name, value] of from) if (!NOT_ANSWERED.has(name)) headers.set(name, value);
  return headers;
}

/** The same stream; `close` is called once when it has ended, however it ends, and `cut` ends it. */
function ended(
  body: ReadableStream<Uint8Array> | null,
  close: () => void,
  cut: AbortSignal,
): ReadableStream<Uint8Array> | null {
  if (body === null) {
    close();
    return null;
  }
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      cut.addEventListener("abort", () => {
        close();
        controller.error(new Error("the node was removed from the fleet"));
        void reader.cancel().catch(() => undefined);
      });
    },
    pull: async (controller) => {
      try {
        const part = await reader.read();
        if (cut.aborted) return;
        if (!part.done) return controller.enqueue(part.value);
        close();
        controller.close();
      } catch (cause) {
        close();
        if (!cut.aborted) controller.error(cause);
      }
    },
    cancel: async (reason) => {
      close();
      await reader.cancel(reason);
    },
  });
}
