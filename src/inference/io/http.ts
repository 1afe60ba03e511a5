/** What the clients of all dialects share: one way to fetch, and the reading of what goes wrong. */
import { describeFailure } from "#base";
import { readApiKey } from "#hw";
import type { InferenceFailure } from "../chat.ts";
import { failureOfStatus, inferenceFailure } from "../failure.ts";

/** Bytes of an error's body that are read: servers answer with whole pages. */
const MAX_ERROR_BYTES = 64 * 1024;

/** Carries a failure through a library that only knows exceptions; it never leaves this folder. */
export class CallFailed extends Error {
  readonly failure: InferenceFailure;

  constructor(failure: InferenceFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Bun's own option of fetch: without it a silent server is cut off after five minutes (oven-sh/bun#16682). */
type PatientInit = RequestInit & { readonly timeout: false };

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * A fetch for one request: it ends with `signal`, has no time limit of its own, follows no redirect (a key must not
 * travel elsewhere) and throws {@link CallFailed} for every answer that is not a success.
 */
export function fetchUnder(signal: AbortSignal, headers: Readonly<Record<string, string>> = {}): Fetch {
  return async (input, init) => {
    const all = new Headers(init?.headers);
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    const patient: PatientInit = { ...init, headers: all, signal, redirect: "error", timeout: false };
    const response = await fetch(input, patient);
    if (response.ok) return bounded(response);
    const text = await errorText(response);
    throw new CallFailed(failureOfStatus(response.status, text, ...retryAfterMs(response.headers)));
  };
}

/**
 * A reply of a model; a server that never ends one must not fill this node. Each token of a stream is an object of some 300
 * bytes, so it is room for 200,000.
 */
const MAX_REPLY_BYTES = 64 * 1024 * 1024;

function bounded(response: Response): Response {
  if (response.body === null) return response;
  let bytes = 0;
  const counted = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, out) => {
      bytes += chunk.byteLength;
      if (bytes <= MAX_REPLY_BYTES) return out.enqueue(chunk);
      const message = `the reply is longer than ${MAX_REPLY_BYTES} bytes`;
      out.error(new CallFailed(inferenceFailure("cut", message)));
    },
  });
  const { status, statusText, headers } = response;
  // `as`: a body is a stream of bytes; the types of Bun leave its chunks open.
  const body = (response.body as ReadableStream<Uint8Array>).pipeThrough(counted);
  return new Response(body, { status, statusText, headers });
}

/** @returns what the server says in words, found in the shapes that servers use. */
async function errorText(response: Response): Promise<string> {
  const text = (await readAtMost(response, MAX_ERROR_BYTES)).trim();
  const fallback = `the server answered ${response.status}`;
  if (text === "") return fallback;
  try {
    const body: unknown = JSON.parse(text);
    return messageIn(body) ?? text;
  } catch {
    return text.startsWith("<") ? fallback : text; // an HTML page says nothing to a person here
  }
}

function messageIn(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const error = "error" in body ? body.error : "message" in body ? body.message : undefined;
  return typeof error === "string" ? error : messageIn(error);
}

async function readAtMost(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  try {
    // `as`: a body is a stream of bytes; the types of Bun leave its chunks open.
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length;
      text += decoder.decode(chunk, { stream: true });
      if (bytes >= maxBytes) break;
    }
  } catch {
    // What came before the connection broke is all there is to say.
  }
  return text;
}

/** RFC 9110, section 10.2.3, in seconds; the form with a date is not used by model servers. */
function retryAfterMs(headers: Headers): readonly [] | readonly [number] {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? [Math.round(seconds * 1_000)] : [];
}

/** @returns the failure behind whatever a fetch or a library threw. */
export function failureOf(error: unknown, signal: AbortSignal): InferenceFailure {
  const carried = carriedFailure(error);
  if (carried !== undefined) return carried;
  if (signal.aborted) return inferenceFailure("cancelled", "the request was cancelled");
  const message = error instanceof Error ? error.message : String(error);
  if (/JSON|did not receive done|unexpected end|terminated|socket.*closed|ECONNRESET/i.test(message)) {
    return inferenceFailure("cut", `the stream broke off: ${message}`);
  }
  return inferenceFailure("unreachable", message);
}

/** Libraries wrap what a fetch threw. */
function carriedFailure(error: unknown): InferenceFailure | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    if (at instanceof CallFailed) return at.failure;
  }
  return undefined;
}

/**
 * Reads a key when it is needed, so that a new one works without a restart.
 * @throws CallFailed when the file cannot be read, or holds nothing
 */
export async function readKey(file: string | null): Promise<string | undefined> {
  const key = await readApiKey(file);
  if (!key.ok) throw new CallFailed(inferenceFailure("denied", describeFailure(key.error)));
  return key.value ?? undefined;
}
