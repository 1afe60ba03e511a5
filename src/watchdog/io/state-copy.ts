/** Copies of the databases, taken while no node runs, so that a release that changed their form can be taken back. */
import {
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { err, ok, type Result, retryable } from "#base";

/** What SQLite keeps beside a database. */
const SUFFIXES = ["", "-wal", "-shm"];
/** What of that holds data; the third is made anew. */
const JOURNALED = ["", "-wal"];
/** Copies of swaps that were taken back stay for a person to look at; older ones go. */
const KEPT_COPIES = 2;
const PREFIX = "state-";
/** Ends the name of the folder for what is set aside until the copy is in its place. */
const UNDER_WAY = ".under-way";
/** In that folder: everything was moved, so that what lies in the state folder is of the copy. */
const ALL_MOVED = "all-moved";

export type StateCopies = {
  /** @returns the name of the copy. */
  readonly take: (id: string) => Result<string>;
  /**
   * Puts a copy in the place of the databases. @returns the folder in which what was there is set aside. Interrupted
   * anywhere, it is done again to the same end.
   */
  readonly putBack: (copy: string) => Result<string>;
  /** Whether {@link putBack} began and did not end; the databases are not whole then. */
  readonly isPuttingBack: (copy: string) => boolean;
  readonly drop: (copy: string) => void;
  readonly pathOf: (copy: string) => string;
};

/** @param databases names of files in the state folder */
export function stateCopies(stateDir: string, folder: string, databases: readonly string[]): StateCopies {
  const files = databases.flatMap((name) => SUFFIXES.map((suffix) => `${name}${suffix}`));
  const pathOf = (copy: string): string => join(folder, copy);
  const asideOf = (copy: string): string => join(stateDir, `set-aside-${copy.slice(PREFIX.length)}`);
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
    isPuttingBack: (copy) => existsSync(`${asideOf(copy)}${UNDER_WAY}`),
    putBack: (copy) =>
      attempt("put the databases back", () => {
        const aside = asideOf(copy);
        const making = `${aside}${UNDER_WAY}`;
        mkdirSync(making, { recursive: true, mode: 0o700 });
        const isMoved = join(making, ALL_MOVED);
        if (!existsSync(isMoved)) {
          for (const file of files) {
            if (existsSync(join(stateDir, file))) renameSync(join(stateDir, file), join(making, file));
          }
          writeFileSync(isMoved, "");
        }
        for (const file of files) {
          // Copied, not moved, so that it can be done again; what there is now is a copy that was cut off.
          rmSync(join(stateDir, file), { force: true });
          if (existsSync(join(pathOf(copy), file))) copyFileSync(join(pathOf(copy), file), join(stateDir, file));
        }
        rmSync(isMoved);
        // A second time, after all was done: what was set aside first is what a person may look for.
        if (existsSync(aside)) rmSync(making, { recursive: true });
        else renameSync(making, aside);
        return aside;
      }),
    drop: (copy) => {
      for (const suffix of SUFFIXES) rmSync(`${pathOf(copy)}${suffix}`, { recursive: true, force: true });
    },
  };
}

/** Copies one database with its journal while nobody uses it. */
export function copyIdleDatabase(from: string, to: string): Result<void> {
  return attempt("copy the database", () => {
    for (const suffix of JOURNALED) {
      rmSync(`${to}${suffix}`, { force: true });
      if (suffix === "" || existsSync(`${from}${suffix}`)) {
        copyFileSync(`${from}${suffix}`, `${to}${suffix}`, constants.COPYFILE_FICLONE);
      }
    }
  });
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
