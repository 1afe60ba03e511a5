/** One HTTP exchange with a hub: no redirect, no more bytes than wanted, no proxy to this host itself. */
import { err, type Failure, isLoopback, type JsonValue, ok, type Result, refused, retryable } from "#base";

/** An answer to a full batch of commands, with room. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

export type Asking = {
  readonly method: string;
  readonly target: string;
  readonly bytes: Uint8Array;
  readonly contentType: string;
  readonly headers?: Headers;
  readonly signal: AbortSignal;
};

export type FetchFrom = (
  url: string,
  init: {
    readonly method: string;
    readonly headers: Headers;
    readonly bytes: Uint8Array;
    readonly signal: AbortSignal;
    /** PEM. */
    readonly ca: string | undefined;
  },
) => Promise<Response>;

export const fetchFrom: FetchFrom = (url, { method, headers, bytes, signal, ca }) =>
  fetch(url, {
    method,
    headers,
    signal,
    redirect: "manual",
    // Bun's own timeout of a silent connection would end a long poll; the deadline is the caller's.
    timeout: false,
    ...(bytes.byteLength === 0 ? {} : { body: bytes }),
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(isLoopback(url) ? { proxy: false } : {}),
  });

export function isRedirect(status: number): boolean {
  return status >= 300 && status < 400;
}

/** @returns the body; one that is too long is given up at the first byte past the limit. */
export async function readBounded(response: Response, maxBytes: number): Promise<Result<Uint8Array>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // `as`: a body is a stream of bytes; the types of Bun leave its chunks open.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > maxBytes) return err(refused("too_large", `the hub's answer is longer than ${maxBytes} bytes`));
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return ok(whole);
}

export function readJson(body: Uint8Array, url: string): Result<JsonValue> {
  try {
    return ok(JSON.parse(new TextDecoder().decode(body)) as JsonValue); // `as`: what JSON.parse gives is JSON
  } catch {
    return err(retryable("unavailable", `${url} answered with something that is not JSON`));
  }
}

export function notAsHub(url: string, status: number): Failure {
  return retryable(
    "unavailable",
    `${url} answered (status ${status}) without the signature of this fleet's hub`,
    "Another program may answer at this address, or change what passes; if the hub was set up anew, join again",
  );
}
