/** How a process of an attempt is known that has neither parents nor session of it any more. */
import { readFileSync } from "node:fs";
import { MARKER_NAME } from "#base";
import { markFrom, markIn } from "../sandbox/process-mark.ts";

/** @returns the mark that goes with an attempt's marker: nobody who lacks the marker can choose it. */
export function processMark(marker: string): number {
  return markFrom(new Bun.CryptoHasher("sha256").update(marker).digest());
}

/** Whether a process has the marker in its environment, or the mark of its commands, which it cannot put down. */
export function belongsTo(pid: number, marker: string): boolean {
  return carriesMarker(pid, marker) || carriesMark(pid, processMark(marker));
}

function carriesMarker(pid: number, marker: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`${MARKER_NAME}=${marker}`);
  } catch {
    return false; // Ended, or another user's: then the marker cannot be read and is not relied on.
  }
}

function carriesMark(pid: number, mark: number): boolean {
  try {
    return markIn(readFileSync(`/proc/${pid}/limits`, "latin1")) === mark;
  } catch {
    return false; // Ended, or a system without /proc.
  }
}
