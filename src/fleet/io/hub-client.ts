/**
 * How a node asks the hub of its fleet.
 *
 * - C1: nothing is believed but under the signature of the key that is pinned; who answers at the address makes no difference.
 * - C2: redirects are not followed. Another hub is followed only when the fleet knows it, and then under its own key.
 * - C3: a request is sent anew {@link MAX_LESSONS} times for what it taught (session, clock), and to {@link MAX_HUBS} hubs; each
 *   time it is signed anew. Whether it took effect when no answer came is not known: what must happen once carries an id.
 */
import {
  type Clock,
  err,
  type Failure,
  type JsonObject,
  type JsonValue,
  type NodeId,
  type Result,
  refused,
  retryable,
} from "#base";
import { HubClock } from "../trust/hub-clock.ts";
import type { HubIdentity } from "../trust/join-token.ts";
import { followKeyChanges, readKeyChanges } from "../trust/key-change.ts";
import type { NodeKey } from "../trust/keys.ts";
import { EPOCH_QUERY, KEY_CHANGES_HEADER, SIGNATURE_HEADER, signRequest, verifyAnswer } from "../trust/signing.ts";
import { cryptography } from "./cryptography.ts";
import {
  type Asking,
  type FetchFrom,
  fetchFrom,
  isRedirect,
  MAX_ANSWER_BYTES,
  notAsHub,
  readBounded,
  readJson,
} from "./exchange.ts";

export type HubClientOptions = {
  readonly fleet: string;
  readonly node: NodeId;
  readonly key: () => NodeKey;
  readonly hub: HubIdentity;
  /** Nodes of the fleet that may have become the hub, as far as this node knows. */
  readonly peers: () => readonly HubIdentity[];
  /** The highest epoch that this node knows: a node that knows less is not believed about who the hub is. */
  readonly epoch?: () => number;
  readonly clock: Clock;
  /** Of the whole process: see `nonceMaker`. */
  readonly nonce: () => string;
  /** PEM of the authorities that https hubs are checked against, instead of those of the system. */
  readonly ca?: string;
  /** Told once for each change: the hub is another node, or has another key; to be kept. */
  readonly onHub?: (hub: HubIdentity) => void;
  readonly fetch?: FetchFrom;
};

export type CallLimits = {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  /** Names the highest epoch that this node knows, so that a hub that was superseded refuses; for what carries none itself. */
  readonly isOfNow?: boolean;
};

/** The one that was asked first, and one that it named; a fleet in which they go on naming others is not settled yet. */
const MAX_HUBS = 2;
/** One for the session and one for the clock of a hub, and one for the hub that takes its place just then. */
const MAX_LESSONS = 3;
/** Requests of a replica are a few hundred bytes. */
const MAX_CARRIED_BYTES = 64 * 1024;
/** Under which the hub answers for the libSQL server behind it. */
const REPLICA_PATH = "/api/fleet/replica";
/** Of a connection and not of what it carries; or no longer true, because fetch has unpacked the body. */
const NOT_CARRIED = [
  "connection",
  "keep-alive",
  "transfer-encoding",
  "content-encoding",
  "content-length",
  SIGNATURE_HEADER,
];

type Exchange = {
  readonly response: Response;
  readonly nonce: string;
  readonly askedAtMs: number;
  readonly hub: HubIdentity;
};

export class HubClient {
  readonly #options: HubClientOptions;
  readonly #time: HubClock;
  readonly #fetch: FetchFrom;
  #hub: HubIdentity;
  #session = "";

  constructor(options: HubClientOptions) {
    this.#options = options;
    this.#hub = options.hub;
    this.#time = new HubClock(options.clock);
    this.#fetch = options.fetch ?? fetchFrom;
  }

  /** Whom it asks now. */
  get hub(): HubIdentity {
    return this.#hub;
  }

  /** See {@link HubClock.offsetMs}. */
  get clockOffsetMs(): number | null {
    return this.#time.offsetMs();
  }

  /**
   * Asks, under this node's signature.
   * @param target path and query
   * @returns the body of an answer of success; a failure with the hub's own code and words, or `unavailable`, `timed_out`
   * (retryable) when none was got that may be believed
   */
  async request(
    method: string,
    target: string,
    body: JsonValue | undefined,
    limits: CallLimits,
  ): Promise<Result<JsonValue>> {
    const bytes = new TextEncoder().encode(body === undefined ? "" : JSON.stringify(body));
    const asking = { method, target: limits.isOfNow === true ? this.#ofNow(target) : target, bytes };
    return this.#within(limits, (signal) =>
      this.#ask({ ...asking, contentType: "application/json", signal }, (exchange) => this.#read(exchange)),
    );
  }

  /** As {@link request}, with bytes as they are. */
  send(target: string, bytes: Uint8Array, limits: CallLimits): Promise<Result<JsonValue>> {
    const asking = { method: "PUT", target, bytes, contentType: "application/octet-stream" };
    return this.#within(limits, (signal) => this.#ask({ ...asking, signal }, (exchange) => this.#read(exchange)));
  }

  /** Asks for at most `maxBytes` bytes. They are not signed: whoever asks knows their hash. */
  receive(target: string, maxBytes: number, limits: CallLimits): Promise<Result<Uint8Array>> {
    const asking = { method: "GET", target, bytes: new Uint8Array(), contentType: "application/json" };
    return this.#within(limits, (signal) =>
      this.#ask({ ...asking, signal }, ({ response }) => readBounded(response, maxBytes)),
    );
  }

  /** In the query, which is signed; a hub of before passes it over. */
  #ofNow(target: string): string {
    const epoch = this.#options.epoch?.() ?? 0;
    return epoch === 0 ? target : `${target}${target.includes("?") ? "&" : "?"}${EPOCH_QUERY}=${epoch}`;
  }

  async #within<T>(limits: CallLimits, ask: (signal: AbortSignal) => Promise<Result<T>>): Promise<Result<T>> {
    const deadline = new AbortController();
    const timer = this.#options.clock.after(limits.deadlineMs, () => deadline.abort());
    const signals = limits.signal === undefined ? [deadline.signal] : [deadline.signal, limits.signal];
    try {
      return await ask(AbortSignal.any(signals));
    } catch (cause) {
      return err(this.#unreached(cause, limits, deadline.signal.aborted));
    } finally {
      timer.cancel();
    }
  }

  /**
   * Carries a request of an embedded replica, addressed as to the libSQL server itself (`/info`, `/wal_log.ReplicationLog/…`),
   * to the server behind the hub. The answer streams and is not signed: who must not be able to alter it on the way is kept
   * away by https. Never throws; what cannot be carried is answered with 502.
   */
  async carry(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.byteLength > MAX_CARRIED_BYTES)
      return new Response("the request of the replica is too large", { status: 413 });
    const contentType = request.headers.get("content-type") ?? "application/octet-stream";
    const target = this.#ofNow(`${REPLICA_PATH}${pathname}${search}`);
    const asking = {
      method: request.method,
      target,
      bytes,
      contentType,
      headers: request.headers,
      signal: request.signal,
    };
    try {
      for (let attempt = 0; ; attempt += 1) {
        const exchange = await this.#send(asking);
        if (exchange.response.ok) return carried(exchange.response);
        const answer = await this.#read(exchange);
        if (!answer.ok) return new Response(answer.error.message, { status: 502 });
        if (attempt < MAX_LESSONS && (this.#learn(exchange, answer.value) || this.#follow(exchange, answer.value)))
          continue;
        return new Response(JSON.stringify(answer.value), { status: exchange.response.status });
      }
    } catch (cause) {
      return new Response(`no answer from the hub: ${String(cause)}`, { status: 502 });
    }
  }

  /** @param take reads an answer of success; every other one is JSON, and signed */
  async #ask<T>(asking: Asking, take: (exchange: Exchange) => Promise<Result<T>>): Promise<Result<T>> {
    let hubs = 1;
    let lessons = 0;
    for (;;) {
      const exchange = await this.#send(asking);
      if (exchange.response.ok) return take(exchange);
      const answer = await this.#read(exchange);
      if (!answer.ok) return answer;
      if (lessons < MAX_LESSONS && this.#learn(exchange, answer.value)) lessons += 1;
      else if (hubs < MAX_HUBS && this.#follow(exchange, answer.value)) {
        hubs += 1;
        lessons = 0;
      } else return err(failureOf(exchange, answer.value));
    }
  }

  async #send({ method, target, bytes, contentType, headers, signal }: Asking): Promise<Exchange> {
    const hub = this.#hub;
    const nonce = this.#options.nonce();
    const { fleet, node, key, clock, ca } = this.#options;
    const signed = signRequest(
      { method, target, body: bytes, timeMs: this.#time.nowMs(), nonce, session: this.#session },
      { fleet, node, privateKey: key().privateKey },
      cryptography,
    );
    const askedAtMs = clock.monotonicMs();
    const sent = new Headers(headers ?? {});
    for (const name of ["host", "connection", "content-length", "authorization"]) sent.delete(name);
    sent.set("content-type", contentType);
    for (const [name, value] of Object.entries(signed)) sent.set(name, value);
    const response = await this.#fetch(`${hub.url}${target}`, { method, headers: sent, bytes, signal, ca });
    return { response, nonce, askedAtMs, hub };
  }

  /** @returns what was answered, once it is known who says so. */
  async #read({ response, nonce, hub }: Exchange): Promise<Result<JsonValue>> {
    if (isRedirect(response.status)) {
      return err(
        refused("unsupported", `${hub.url} sends this node elsewhere`, "Join by the address that the hub has itself"),
      );
    }
    const body = await readBounded(response, MAX_ANSWER_BYTES);
    if (!body.ok) return body;
    const { headers, status } = response;
    const key = followKeyChanges(
      hub.id,
      hub.publicKey,
      readKeyChanges(headers.get(KEY_CHANGES_HEADER) ?? ""),
      cryptography,
    );
    const signature = headers.get(SIGNATURE_HEADER) ?? "";
    if (!verifyAnswer({ nonce, status, body: body.value }, signature, key, cryptography))
      return err(notAsHub(hub.url, status));
    if (key !== hub.publicKey && this.#hub === hub) this.#adopt({ ...hub, publicKey: key });
    return readJson(body.value, hub.url);
  }

  /** Takes from a refusal what the next try needs. @returns whether there was anything. */
  #learn({ askedAtMs }: Exchange, answer: JsonValue): boolean {
    const { code, session, nowMs } = fieldsOf(answer);
    if (
      (code !== "session_changed" && code !== "clock_skew") ||
      typeof session !== "string" ||
      typeof nowMs !== "number"
    ) {
      return false;
    }
    this.#session = session;
    this.#time.learn(nowMs, askedAtMs);
    return true;
  }

  /** @returns whether another hub is to be asked: one that the fleet knows, under the key that the fleet knows of it. */
  #follow({ response, hub }: Exchange, answer: JsonValue): boolean {
    if (response.status !== 421) return false;
    const { epoch } = fieldsOf(answer);
    if (typeof epoch === "number" && epoch < (this.#options.epoch?.() ?? 0)) return false;
    const named = fieldsOf(fieldsOf(answer)["hub"] ?? null);
    const known = this.#options.peers().find((peer) => peer.id === named["id"] && peer.id !== hub.id);
    if (known === undefined) return false;
    this.#session = "";
    this.#adopt(known);
    return true;
  }

  /** Asks another hub from now on: one of a higher epoch than the present one. */
  follow(hub: HubIdentity): void {
    this.#session = "";
    this.#hub = hub;
  }

  #adopt(hub: HubIdentity): void {
    this.#hub = hub;
    this.#options.onHub?.(hub);
  }

  #unreached(cause: unknown, { deadlineMs, signal }: CallLimits, isLate: boolean): Failure {
    const { url } = this.#hub;
    if (signal?.aborted === true)
      return { kind: "cancelled", code: "cancelled", message: `ask the hub at ${url}: given up` };
    if (isLate) return retryable("timed_out", `the hub at ${url} did not answer within ${deadlineMs / 1_000} s`);
    const reason = cause instanceof Error ? cause.message : String(cause);
    return retryable(
      "unavailable",
      `no answer from the hub at ${url}: ${reason}`,
      "See whether the hub runs: drover status there",
    );
  }
}

function carried(response: Response): Response {
  const headers = new Headers(response.headers);
  for (const name of NOT_CARRIED) headers.delete(name);
  return new Response(response.body, { status: response.status, headers });
}

function fieldsOf(value: JsonValue): JsonObject {
  // `as`: an object of JSON that is no array.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** The hub's own words, as a failure by what this node can do about it. */
function failureOf({ response, hub }: Exchange, answer: JsonValue): Failure {
  const { detail, code, remedy } = fieldsOf(answer);
  const { status } = response;
  const said = typeof detail === "string" ? detail : `the hub at ${hub.url} answered with status ${status}`;
  // Whoever asked this node has no part in how this node proves itself to its hub.
  const isTrust = status === 401;
  const isPassing = code === "session_changed" || code === "clock_skew" || status === 421;
  return {
    kind: isPassing || status >= 500 || status === 429 ? "retryable" : "refused",
    // `as`: only compared with known codes; a code of a newer hub matches none of them.
    code: isPassing
      ? "unavailable"
      : isTrust
        ? "conflict"
        : ((typeof code === "string" ? code : "internal") as Failure["code"]),
    message: isTrust ? `the hub at ${hub.url} does not take this node's word: ${said}` : said,
    ...(typeof remedy === "string" ? { remedy } : {}),
  };
}
