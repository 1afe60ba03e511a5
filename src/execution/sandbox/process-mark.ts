/**
 * A mark that every process of an attempt's commands carries and cannot put down: a resource limit. Limits pass through
 * fork, execve and setsid, an unprivileged process cannot raise them, the filter keeps commands from lowering this one,
 * and everybody may read them (/proc/PID/limits). So what cleared its environment and left session and parents is found
 * also when its worker is gone. The limit itself (RLIMIT_RTTIME) binds real-time processes alone, which commands cannot
 * become: a mark is centuries of processor time.
 */

/** include/uapi/asm-generic/resource.h; x64 and arm64 agree. */
export const MARK_RESOURCE = 15;

/** Above any limit that somebody sets for its own sake: 2^47 microseconds are four years of processor time. */
const LEAST_MARK = 2 ** 47;

/** @returns the mark of an attempt, from a hash of at least 6 bytes of what only it has. */
export function markFrom(hash: Uint8Array): number {
  const bits = hash.slice(0, 6).reduce((value, byte) => value * 256 + byte, 0);
  return LEAST_MARK + (bits % LEAST_MARK);
}

/** @returns the mark in the text of /proc/PID/limits; undefined where there is none. */
export function markIn(limits: string): number | undefined {
  const [, soft, hard] = /^Max realtime timeout\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
  return soft !== undefined && soft === hard && Number(soft) >= LEAST_MARK ? Number(soft) : undefined;
}
