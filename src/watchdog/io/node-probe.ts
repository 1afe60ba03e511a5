import { err, ok, type Result, retryable } from "#base";

const PROBE_LIMIT_MS = 3_000;

/** Whether the node at this address answers. One that is starting has none yet, and its start has a limit of its own. */
export async function probeNode(url: string | null): Promise<Result<void>> {
  if (url === null) return ok(undefined);
  try {
    const response = await fetch(`${url}/health/live`, {
      signal: AbortSignal.timeout(PROBE_LIMIT_MS),
      keepalive: false,
      // A proxy of the environment is for the outside, and cannot reach this host's loopback.
      proxy: false,
      headers: { connection: "close" },
    });
    await response.body?.cancel();
    // Too many requests is an answer, too: somebody else floods it.
    return response.ok || response.status === 429
      ? ok(undefined)
      : err(retryable("unavailable", `/health/live answered ${response.status}`));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(retryable("unavailable", `/health/live gave no answer: ${reason}`));
  }
}
