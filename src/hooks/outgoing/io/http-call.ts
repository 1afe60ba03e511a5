import { type Failure, refused, retryable, terminal } from "#base";
import type { Sent } from "../notifier.ts";

export type HttpCall = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array<ArrayBuffer>;
};

/** Whoever takes a notice does nothing with it first. */
const DEADLINE_MS = 15_000;
/** Longer waits are a way of saying no. */
const MAX_RETRY_AFTER_MS = 900_000;
/** Answers that the same request may be spared later. */
const LATER = new Set([408, 425, 429, 500, 502, 503, 504, 507, 521, 522, 523, 524]);

/**
 * One POST. It goes to the configured address and nowhere else: a redirection is not followed, because it would carry
 * what is told, and this node's reach, to where nobody chose. The answer's body is not read.
 * @returns what went wrong names the host alone: paths and queries of such addresses are often secrets.
 */
export async function post({ url, headers, body }: HttpCall): Promise<Sent> {
  const host = hostOf(url);
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "user-agent": "drover", ...headers },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch (cause) {
    return { ok: false, error: retryable("unavailable", `${host} cannot be reached (${reasonOf(cause)})`) };
  }
  // Without this the connection stays open for an answer that nobody reads.
  await response.body?.cancel().catch(() => undefined);
  return answered(response, host);
}

function answered({ status, headers }: Response, host: string): Sent {
  if (status >= 200 && status < 300) return { ok: true };
  const error = failureOf(status, host);
  const seconds = Number(headers.get("retry-after") ?? "");
  if (error.kind !== "retryable" || !(seconds > 0)) return { ok: false, error };
  return { ok: false, error, retryAfterMs: Math.min(MAX_RETRY_AFTER_MS, seconds * 1_000) };
}

function failureOf(status: number, host: string): Failure {
  const message = `${host} answered ${status}`;
  if (LATER.has(status)) return retryable("unavailable", message);
  if (status >= 300 && status < 400) {
    return refused("invalid", `${message}, a redirection, which is not followed`, "Configure the address it leads to");
  }
  const remedy =
    status === 401 || status === 403
      ? "Check the channel's token or secret"
      : "Check the channel's address and template";
  // As `terminal`, not `refused`: the other side refuses, and asking again would not change that.
  return terminal(status === 413 ? "too_large" : "invalid", `${message}. ${remedy}`);
}

export function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch {
    return "an address that is none";
  }
}

/** The code or the kind of a fault; its message may quote the address. */
export function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return "unknown fault";
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.name;
}
