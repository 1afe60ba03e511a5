import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";

/** @returns a function that makes folders of their own; all of them are removed after each test of the file. */
export function temporaryFolders(): () => string {
  const made: string[] = [];
  afterEach(() => {
    for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
  });
  return () => {
    const path = realpathSync(mkdtempSync(join(tmpdir(), "drover-test-")));
    made.push(path);
    return path;
  };
}
