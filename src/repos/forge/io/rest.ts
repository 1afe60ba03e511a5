/** JSON over HTTP with the patience that forges ask for. */
import { type Clock, err, type Failure, ok, type Result, redactText, refused, retryable, sleep } from "#base";

const MAX_TRIES = 4;
const FIRST_WAIT_MS = 500;
/** A server that asks for more is asked again with the next delivery. */
const MAX_WAIT_MS = 60_000;
const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const MAX_REASON_CHARS = 300;

export type RestOptions = {
  readonly apiUrl: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Never part of a message. */
  readonly token: string | undefined;
  readonly clock: Clock;
  /** For the whole of an answer. */
  readonly timeoutMs?: number;
};

export type Answer = { readonly status: number; readonly body: unknown };

export class Rest {
  readonly #options: RestOptions;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** For what may be done twice: faults of the server are tried again. A 404 is an answer. */
  async ask(method: "GET" | "PUT" | "PATCH", path: string, body?: object): Promise<Result<Answer>> {
    return this.repeat(() => this.once(method, path, body));
  }

  /** Until it succeeds or cannot; between two tries is waited as the server asks. */
  async repeat<T>(call: () => Promise<Result<T>>): Promise<Result<T>> {
    for (let tries = 1; ; tries += 1) {
      const answer = await call();
      if (answer.ok || answer.error.kind !== "retryable" || tries >= MAX_TRIES) return answer;
      const askedMs = (answer.error as Failure & { readonly waitMs?: number }).waitMs; // `as`: set by `once` below
      const waitMs = askedMs ?? FIRST_WAIT_MS * 2 ** (tries - 1);
      if (waitMs > MAX_WAIT_MS) return answer;
      await sleep(this.#options.clock, waitMs);
    }
  }

  /** One request. @returns the answer where it is one: 2xx, 404, 405, 409 or 422 */
  async once(method: string, path: string, body?: object): Promise<Result<Answer>> {
    const { apiUrl, headers } = this.#options;
    const what = `${method} ${path.split("?")[0]}`;
    let response: Response;
    let text: string | undefined;
    try {
      response = await fetch(`${apiUrl.replace(/\/+$/, "")}${path}`, {
        method,
        headers: {
          "user-agent": "drover",
          accept: "application/json",
          ...headers,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // A token is for the server that it was configured for.
        redirect: "manual",
        signal: AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS),
      });
      // The same limit: an answer may also come slowly.
      text = await textOf(response);
    } catch (cause) {
      return err(retryable("unavailable", `${what}: ${this.#clean(String(cause))}`));
    }
    if (text === undefined) return err(refused("too_large", `${what}: the answer is too large`));
    const parsed = parse(text);
    if (response.ok || ANSWERS.has(response.status)) return ok({ status: response.status, body: parsed });
    return err(this.#failure(what, response, text));
  }

  #failure(what: string, response: Response, text: string): Failure {
    const { status, headers } = response;
    const said = `${what}: the forge answered ${status} ${this.#clean(text)}`;
    const waitMs = retryAfterMs(headers, this.#options.clock.nowMs());
    // Forges say with 403 that there were too many requests, too; only then with a time to wait.
    if (status === 429 || status >= 500 || (status === 403 && waitMs !== undefined)) {
      const patience = waitMs === undefined ? {} : { waitMs };
      return { ...retryable("unavailable", said), ...patience };
    }
    if (status === 401 || status === 403) {
      return refused("invalid", said, "Put a token with the right to this repository into forge.tokenFile");
    }
    if (status >= 300 && status < 400) return refused("invalid", said, "Correct forge.apiUrl: it leads elsewhere");
    return refused("invalid", said);
  }

  #clean(text: string): string {
    const { token } = this.#options;
    // An answer may have megabytes; of most of it nothing is shown.
    const start = text.slice(0, 4 * MAX_REASON_CHARS);
    const shown = token === undefined ? start : start.replaceAll(token, "[redacted]");
    return redactText(shown.replaceAll(/\s+/g, " ")).slice(0, MAX_REASON_CHARS);
  }
}

const ANSWERS: ReadonlySet<number> = new Set([404, 405, 409, 422]);

/** Seconds or a date, as RFC 9110 has it; GitHub also says when a used-up limit begins anew. */
function retryAfterMs(headers: Headers, nowMs: number): number | undefined {
  const after = headers.get("retry-after");
  if (after !== null) {
    const seconds = Number(after);
    const ms = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(after) - nowMs;
    return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
  }
  if (headers.get("x-ratelimit-remaining") !== "0") return undefined;
  const resetMs = Number(headers.get("x-ratelimit-reset")) * 1_000 - nowMs;
  return Number.isFinite(resetMs) ? Math.max(0, resetMs) : undefined;
}

async function textOf(response: Response): Promise<string | undefined> {
  let text = "";
  const decoder = new TextDecoder();
  if (response.body === null) return text;
  // `as`: what a response streams are bytes
  for await (const chunk of response.body as ReadableStream<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MAX_ANSWER_BYTES) return undefined;
  }
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an empty answer, or one of a proxy: whoever needs fields of it finds none
  }
}
