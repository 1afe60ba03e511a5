import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { err, type Failure, ok, type Result } from "#base";
import { systemFailure } from "./system-failure.ts";

/** The full output of an attempt on disk, up to a limit; what comes after the limit is dropped. */
export class LogFile {
  #fd: number | undefined;
  #leftBytes: number;

  private constructor(fd: number, limitBytes: number) {
    this.#fd = fd;
    this.#leftBytes = limitBytes;
  }

  /** Opens the log for appending (mode 0600), creating its folder. */
  static open(path: string, limitBytes: number): Result<LogFile, Failure> {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return ok(new LogFile(openSync(path, "a", 0o600), limitBytes));
    } catch (error) {
      return err(systemFailure(error, `open log ${path}`));
    }
  }

  /** Writes through to the file, so that what a killed worker's command said is not lost. */
  append(chunk: Uint8Array): Failure | undefined {
    let rest = chunk.subarray(0, this.#leftBytes);
    this.#leftBytes -= rest.length;
    try {
      while (rest.length > 0 && this.#fd !== undefined) rest = rest.subarray(writeSync(this.#fd, rest));
      return undefined;
    } catch (error) {
      return systemFailure(error, "write log");
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
