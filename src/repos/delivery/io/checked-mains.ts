/** Of which commit of a main branch the checks ran last. On disk, so that a merge of a killed node is looked at later. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** @returns undefined before the first time */
export function checkedMain(stateDir: string, repository: string): string | undefined {
  try {
    return readFileSync(pathOf(stateDir, repository), "utf8");
  } catch {
    return undefined; // never, or what is there cannot be read: then they run once more
  }
}

export function noteCheckedMain(stateDir: string, repository: string, commit: string): void {
  const path = pathOf(stateDir, repository);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, commit, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function pathOf(stateDir: string, repository: string): string {
  return join(stateDir, "repositories", "checked", `${repository}.commit`);
}
