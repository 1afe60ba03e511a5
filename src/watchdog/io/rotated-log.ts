import { closeSync, existsSync, fstatSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { OutputSink } from "./supervised-child.ts";

export type LogLimits = {
  readonly fileBytes: number;
  /** Older files kept beside the current one: NAME.log.1 is the youngest. */
  readonly olderFiles: number;
};

/** 40 MiB for each process: days of ordinary output, and no disk is filled by it. */
export const LOG_LIMITS: LogLimits = { fileBytes: 8 * 1024 * 1024, olderFiles: 4 };
/** Lines kept in memory: what a person reads first when nothing runs. */
const TAIL_LINES = 100;
/** Of a longer line that much is kept in memory; on disk it is broken there. */
const MAX_LINE_BYTES = 8 * 1024;
const NEWLINE = 0x0a;

/**
 * What a process writes, in files that are rotated by size between two lines. Never throws and never waits: output that
 * the disk does not take is dropped and counted, and kept again as soon as the disk takes some.
 */
export class RotatedLog implements OutputSink {
  readonly #path: string;
  readonly #limits: LogLimits;
  #descriptor: number | undefined;
  #sizeBytes = 0;
  #rest = Buffer.alloc(0);
  #tail: string[] = [];
  #droppedBytes = 0;

  constructor(path: string, limits: LogLimits = LOG_LIMITS) {
    this.#path = path;
    this.#limits = limits;
  }

  /** Bytes that the disk did not take. */
  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  /** The last lines, oldest first; what is not yet a whole line comes last. */
  lines(): readonly string[] {
    const rest = this.#rest.length === 0 ? [] : [this.#rest.toString("utf8")];
    return [...this.#tail, ...rest];
  }

  accept(chunk: Uint8Array): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    const rest = bytes.subarray(end);
    const breaksLine = rest.length > MAX_LINE_BYTES;
    const whole = breaksLine ? Buffer.concat([bytes, Buffer.from("\n")]) : bytes.subarray(0, end);
    this.#rest = breaksLine ? Buffer.alloc(0) : Buffer.from(rest);
    if (whole.length > 0) this.#keep(whole);
  }

  /** Writes what is left and closes the file; a later chunk opens it again. */
  close(): void {
    if (this.#rest.length > 0) this.accept(Buffer.from("\n"));
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #keep(whole: Buffer): void {
    // Only the end can be among the last lines: a flood is not turned into text for nothing.
    const lines = whole
      .subarray(-TAIL_LINES * MAX_LINE_BYTES)
      .toString("utf8")
      .trimEnd()
      .split("\n");
    this.#tail = [...this.#tail, ...lines.slice(-TAIL_LINES).map((line) => line.slice(0, MAX_LINE_BYTES))].slice(
      -TAIL_LINES,
    );
    let left = whole;
    try {
      while (left.length > 0) {
        const descriptor = this.#opened();
        const endBytes = this.#fitting(left);
        if (endBytes === 0) {
          this.#rotate();
          continue;
        }
        const written = writeSync(descriptor, left, 0, endBytes);
        this.#sizeBytes += written;
        left = left.subarray(written);
      }
    } catch {
      this.#droppedBytes += left.length; // Disk full, or the folder is gone; the tail in memory has it.
    }
  }

  /** So much of it, in whole lines, as the file still takes; of an empty file at least one line. */
  #fitting(bytes: Buffer): number {
    const roomBytes = this.#limits.fileBytes - this.#sizeBytes;
    if (bytes.length <= roomBytes) return bytes.length;
    const fitting = roomBytes <= 0 ? 0 : bytes.lastIndexOf(NEWLINE, roomBytes - 1) + 1;
    return fitting === 0 && this.#sizeBytes === 0 ? bytes.indexOf(NEWLINE) + 1 : fitting;
  }

  #opened(): number {
    if (this.#descriptor === undefined) {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#descriptor = openSync(this.#path, "a", 0o600);
      this.#sizeBytes = fstatSync(this.#descriptor).size;
    }
    return this.#descriptor;
  }

  #rotate(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
    this.#sizeBytes = 0;
    const older = (index: number): string => (index === 0 ? this.#path : `${this.#path}.${index}`);
    for (let index = this.#limits.olderFiles; index > 0; index -= 1) {
      if (existsSync(older(index - 1))) renameSync(older(index - 1), older(index));
    }
    if (this.#limits.olderFiles === 0) rmSync(this.#path, { force: true });
  }
}
