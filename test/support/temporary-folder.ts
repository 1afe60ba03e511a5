import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

const MEMORY = "/dev/shm";

/** For tests that flush hundreds of times and say nothing of the disk: a folder in memory, where the host has one. */
export const IN_MEMORY = existsSync(MEMORY) ? MEMORY : tmpdir();

/** @returns a function that makes folders of their own; all of them are removed after each test of the file. */
export function temporaryFolders(where = tmpdir()): () => string {
  const made: string[] = [];
  afterEach(() => {
    for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
  });
  return () => {
    const path = realpathSync(mkdtempSync(join(where, "drover-test-")));
    made.push(path);
    return path;
  };
}
