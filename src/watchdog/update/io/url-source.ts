/** A release folder behind a plain file server. Nothing that the server says is believed before it is checked. */
import { type Clock, err, ok, type Result } from "#base";
import { MAX_MANIFEST_BYTES, type StoredFile } from "../manifest.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { type ByteSource, checkedSource, gunzipSource } from "./byte-source.ts";
import type { ReleaseSource } from "./release-source.ts";

export type DownloadLimits = {
  /** From the request to the head of the answer. */
  readonly answerMs: number;
  /** Between two pieces of the body. */
  readonly idleMs: number;
  /** From the request to the end of the body. */
  readonly totalMs: number;
};

/** A server far away answers in seconds; 110 MB take half an hour at 0.5 Mbit/s. */
export const DOWNLOAD_LIMITS: DownloadLimits = { answerMs: 30_000, idleMs: 30_000, totalMs: 30 * 60_000 };

export type UrlSourceParts = {
  readonly clock: Clock;
  readonly limits: DownloadLimits;
  /** Sent with each request, such as a token for a private place. */
  readonly headers?: Readonly<Record<string, string>>;
};

/** @param address of `manifest.json`; the files lie beside it. */
export function urlSource(address: string, parts: UrlSourceParts): Result<ReleaseSource, Refusal> {
  const base = URL.canParse(address) ? new URL(address) : undefined;
  if (base === undefined || (base.protocol !== "https:" && base.protocol !== "http:")) {
    return err(refuse("unreachable", `${address} is no http or https address`));
  }
  const beside = (file: string): URL => {
    const url = new URL(file, base);
    url.search = base.search;
    return url;
  };
  return ok({
    name: `${base.origin}${base.pathname}`,
    manifest: async () => {
      const source = await download(base, undefined, parts);
      return source.ok ? readWhole(source.value, MAX_MANIFEST_BYTES) : source;
    },
    open: async (file) => {
      if (file.gzip === null) return download(beside(file.file), file, parts);
      const packed = await download(beside(file.gzip.file), file.gzip, parts);
      return packed.ok ? ok(gunzipSource(checkedSource(packed.value, file.gzip), file.gzip.file)) : packed;
    },
  });
}

async function download(
  url: URL,
  expected: StoredFile | undefined,
  { clock, limits, headers }: UrlSourceParts,
): Promise<Result<ByteSource, Refusal>> {
  const name = `${url.origin}${url.pathname}`;
  const stop = new AbortController();
  let late: string | undefined;
  const within = (limitMs: number, what: string) =>
    clock.after(limitMs, () => {
      late = `${name}: ${what} took more than ${limitMs} ms`;
      stop.abort();
    });
  const total = within(limits.totalMs, "all of it");
  const failed = (error: unknown): Refusal =>
    late === undefined
      ? refuse("unreachable", `${name}: ${error instanceof Error ? error.message : String(error)}`)
      : refuse("too_slow", late);
  const close = (): void => {
    total.cancel();
    stop.abort();
  };
  const answer = within(limits.answerMs, "the answer");
  try {
    const response = await fetch(url, {
      signal: stop.signal,
      // As stored: what a server packs on the way would have another size than was signed.
      headers: { "accept-encoding": "identity", ...headers },
      decompress: false,
    });
    const refusal = headRefusal(response, name, expected);
    if (refusal !== undefined) {
      close();
      return err(refusal);
    }
    // `as`: the body of an answer is bytes; the declaration leaves it open.
    const body = response.body as ReadableStream<Uint8Array> | null;
    const reader = body?.getReader();
    const read = async (): Promise<Result<Uint8Array | null, Refusal>> => {
      const idle = within(limits.idleMs, "the next piece");
      try {
        const piece = await reader?.read();
        return ok(piece?.value ?? null);
      } catch (error) {
        // Cut off by the other side: what came is too short, and the check of the size says so.
        return late === undefined ? ok(null) : err(failed(error));
      } finally {
        idle.cancel();
      }
    };
    return ok({ read, close });
  } catch (error) {
    close();
    return err(failed(error));
  } finally {
    answer.cancel();
  }
}

function headRefusal(response: Response, name: string, expected: StoredFile | undefined): Refusal | undefined {
  if (response.status === 404 && expected === undefined) return refuse("manifest_missing", `${name}: not found`);
  if (!response.ok) return refuse("unreachable", `${name}: the server answered ${response.status}`);
  const length = response.headers.get("content-length");
  if (expected === undefined || length === null || Number(length) === expected.bytes) return undefined;
  return refuse("size_wrong", `${name} has ${length} bytes, and ${expected.bytes} were signed`);
}

async function readWhole(source: ByteSource, maxBytes: number): Promise<Result<Uint8Array, Refusal>> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  try {
    for (;;) {
      const next = await source.read();
      if (!next.ok) return next;
      if (next.value === null) return ok(Buffer.concat(pieces));
      total += next.value.length;
      if (total > maxBytes) return err(refuse("malformed", `manifest.json is over ${maxBytes} bytes`));
      pieces.push(next.value);
    }
  } finally {
    source.close();
  }
}
