/** Reads a body no further than its limit, whatever its length is said to be. */
import { type Clock, err, MAX_REQUEST_BYTES, ok, type Result, refused, retryable } from "#base";

/** @returns the body as text; a body that is too long is given up at the first byte past the limit. */
export async function readBody(request: Request, maxBytes = MAX_REQUEST_BYTES): Promise<Result<string>> {
  const bytes = await readBytes(request, maxBytes);
  return bytes.ok ? decodeBody(bytes.value) : bytes;
}

type BodyLimit = { readonly clock: Clock; readonly limitMs: number };

/**
 * As {@link readBody}, for a body that need not be text.
 * @param within for callers that nobody knows: when all of it must be there, however slowly it comes. The limit of the
 *   server is for silence, and one byte ends that.
 */
export async function readBytes(
  request: Request,
  maxBytes: number,
  within?: BodyLimit,
): Promise<Result<Uint8Array<ArrayBuffer>>> {
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > maxBytes) return err(tooLong(maxBytes));
  if (length !== null && within === undefined) return readDeclared(request, maxBytes);
  if (request.body === null) return ok(new Uint8Array());
  const chunks: Uint8Array[] = [];
  let size = 0;
  // `as`: a body is a stream of bytes; the types of Bun leave its chunks open.
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  const late = new AbortController();
  const timer = within?.clock.after(within.limitMs, () => {
    late.abort();
    void reader.cancel().catch(() => undefined);
  });
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      size += part.value.byteLength;
      if (size > maxBytes) {
        await reader.cancel();
        return err(tooLong(maxBytes));
      }
      chunks.push(part.value);
    }
  } catch (cause) {
    return err(notWhole(cause));
  } finally {
    timer?.cancel();
  }
  if (late.signal.aborted) return err(notWhole(`it took longer than ${within?.limitMs ?? 0} ms`));
  const whole = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return ok(whole);
}

/** The server reads no further than the declared length; asking for all at once spares a stream. */
async function readDeclared(request: Request, maxBytes: number): Promise<Result<Uint8Array<ArrayBuffer>>> {
  try {
    const whole = new Uint8Array(await request.arrayBuffer());
    return whole.byteLength > maxBytes ? err(tooLong(maxBytes)) : ok(whole);
  } catch (cause) {
    return err(notWhole(cause));
  }
}

/** @returns the text of a body that was read. */
export function decodeBody(whole: Uint8Array): Result<string> {
  try {
    return ok(new TextDecoder("utf-8", { fatal: true }).decode(whole));
  } catch {
    return err(refused("invalid", "the body is not UTF-8", "Send JSON in UTF-8"));
  }
}

function notWhole(cause: unknown): ReturnType<typeof retryable> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return retryable("unavailable", `the body did not arrive whole: ${reason}`, "Send the request again");
}

function tooLong(maxBytes: number): ReturnType<typeof refused> {
  return refused("too_large", `the body is longer than ${maxBytes} bytes`, "Send it in several parts");
}
