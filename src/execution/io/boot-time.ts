/**
 * For how long this boot of the machine has lasted. /proc/uptime would not do: where a container is shown its own, it
 * starts anew while the boot is the same. Linux only.
 */
import { dlopen, ptr } from "bun:ffi";
import { readlinkSync } from "node:fs";
import { openFirst } from "./libc.ts";
import { bootId } from "./process-identity.ts";

/** It goes on while the machine sleeps (clock_gettime(2)). */
const CLOCK_BOOTTIME = 7;

type Read = () => number | undefined;

let opened: { readonly read: Read | undefined } | undefined;

/** @returns undefined where it is not known; then nothing may be counted from one process to the next. */
export function bootTime(): { readonly boot: string; readonly elapsedMs: number } | undefined {
  if (process.platform !== "linux") return undefined;
  // At its first use, because each symbol costs a compilation.
  opened ??= { read: openFirst(bind) };
  const elapsedMs = opened.read?.();
  if (elapsedMs === undefined) return undefined;
  try {
    // A time namespace has an offset of its own (time_namespaces(7)).
    return { boot: `${bootId()} ${readlinkSync("/proc/self/ns/time")}`, elapsedMs };
  } catch {
    return undefined; // A kernel that names neither.
  }
}

function bind(library: string): Read {
  const { symbols } = dlopen(library, { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
  const time = new BigInt64Array(2);
  return () => {
    if (symbols.clock_gettime(CLOCK_BOOTTIME, ptr(time)) !== 0) return undefined;
    const [seconds, nanoseconds] = time;
    return seconds === undefined || nanoseconds === undefined
      ? undefined
      : Number(seconds) * 1_000 + Number(nanoseconds) / 1e6;
  };
}
