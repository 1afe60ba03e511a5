/** Server-sent events as text (WHATWG HTML, section 9.2). Pure. */
import type { EventView } from "./queue-view.ts";

/** Names of the frames that are not events of the queue. */
export type ControlFrame =
  /** Events between the two numbers are no longer kept (pruned), or never were (`reset`: another database). */
  | { readonly event: "gap"; readonly data: { fromSeq: number; toSeq: number; reason: "pruned" | "reset" } }
  /** The stream ends here; connect again with `Last-Event-ID` or `after` set to `resumeAfter`. */
  | { readonly event: "end"; readonly data: { reason: "slow" | "shutdown" | "failed"; resumeAfter: number } }
  /** A swap to `version` begins, or has ended. Streams end during it and resume behind it. */
  | { readonly event: "maintenance"; readonly data: { on: boolean; version: string } };

/** A frame with the sequence number as its id, so that a client resumes behind it by itself. */
export function eventFrame(event: EventView): string {
  return `id: ${event.seq}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** Control frames have no id: they must not move the place from which a client resumes. */
export function controlFrame(frame: ControlFrame): string {
  return `event: ${frame.event}\ndata: ${JSON.stringify(frame.data)}\n\n`;
}

/** A line that clients skip; it keeps proxies and idle timeouts from cutting a silent stream. */
export const KEEP_ALIVE_FRAME = ": still here\n\n";

/** How long a client waits before it connects again, in milliseconds. */
export const RECONNECT_FRAME = "retry: 1000\n\n";

export type Plan = { readonly afterSeq: number; readonly gap: ControlFrame | undefined };

/**
 * Where a stream begins that wants what comes after `wanted`, given what is kept.
 *
 * @param wanted undefined for what happens from now on
 */
export function planStream(
  wanted: number | undefined,
  range: { readonly firstSeq: number; readonly lastSeq: number },
): Plan {
  const { firstSeq, lastSeq } = range;
  if (wanted === undefined || wanted === lastSeq) return { afterSeq: lastSeq, gap: undefined };
  if (wanted > lastSeq) {
    // The client has seen numbers that this database never gave: it was restored from a backup or replaced.
    return { afterSeq: lastSeq, gap: { event: "gap", data: { fromSeq: lastSeq + 1, toSeq: wanted, reason: "reset" } } };
  }
  if (wanted < firstSeq - 1) {
    const data = { fromSeq: wanted + 1, toSeq: firstSeq - 1, reason: "pruned" } as const;
    return { afterSeq: firstSeq - 1, gap: { event: "gap", data } };
  }
  return { afterSeq: wanted, gap: undefined };
}
