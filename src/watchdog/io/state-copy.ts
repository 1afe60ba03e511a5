/** Copies of the databases, taken while no node runs, so that a release that changed their form can be taken back. */
import { constants, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result, retryable } from "#base";

/** What SQLite keeps beside a database. */
const SUFFIXES = ["", "-wal", "-shm"];
/** Copies of swaps that were taken back stay for a person to look at; older ones go. */
const KEPT_COPIES = 2;
const PREFIX = "state-";

export type StateCopies = {
  /** @returns the name of the copy. */
  readonly take: (id: string) => Result<string>;
  /** Puts a copy in the place of the databases; what was there is set aside under a name with `id`. */
  readonly putBack: (copy: string, id: string) => Result<string>;
  readonly drop: (copy: string) => void;
  readonly pathOf: (copy: string) => string;
};

/** @param databases names of files in the state folder */
export function stateCopies(stateDir: string, folder: string, databases: readonly string[]): StateCopies {
  const files = databases.flatMap((name) => SUFFIXES.map((suffix) => `${name}${suffix}`));
  const pathOf = (copy: string): string => join(folder, copy);
  return {
    pathOf,
    take: (id) =>
      attempt("copy the databases", () => {
        const copy = `${PREFIX}${id}`;
        const making = join(folder, `.${copy}`);
        rmSync(making, { recursive: true, force: true });
        mkdirSync(making, { recursive: true, mode: 0o700 });
        for (const file of files) {
          const from = join(stateDir, file);
          if (existsSync(from)) copyFileSync(from, join(making, file), constants.COPYFILE_FICLONE);
        }
        renameSync(making, pathOf(copy));
        dropOldest(folder);
        return copy;
      }),
    putBack: (copy, id) =>
      attempt("put the databases back", () => {
        const aside = join(stateDir, `set-aside-${id}`);
        mkdirSync(aside, { recursive: true, mode: 0o700 });
        for (const file of files) {
          const at = join(stateDir, file);
          if (existsSync(at)) renameSync(at, join(aside, file));
          // Copied, not moved: when this is interrupted, it is done once more from the beginning.
          if (existsSync(join(pathOf(copy), file))) copyFileSync(join(pathOf(copy), file), at);
        }
        return aside;
      }),
    drop: (copy) => rmSync(pathOf(copy), { recursive: true, force: true }),
  };
}

function dropOldest(folder: string): void {
  const copies = readdirSync(folder)
    .filter((name) => name.startsWith(PREFIX))
    .toSorted();
  for (const name of copies.slice(0, Math.max(0, copies.length - KEPT_COPIES))) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
}

function attempt<T>(action: string, act: () => T): Result<T> {
  try {
    return ok(act());
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(
      retryable("unavailable", `${action}: ${reason}`, "Free some disk space, or make the state folder writable"),
    );
  }
}
