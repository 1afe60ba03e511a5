/**
 * The few libc calls that Bun does not offer. Linux only; everywhere else, and where no libc can be opened,
 * {@link libc} is undefined and callers take their fallback.
 */
import { dlopen, ptr } from "bun:ffi";

const LIBRARIES = ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];
const PR_SET_CHILD_SUBREAPER = 36;
const O_CLOEXEC = 0o2000000;
const WNOHANG = 1;

export type Libc = {
  /** Makes orphans among this process's descendants its children. @returns whether the kernel agreed. */
  readonly becomeSubreaper: () => boolean;
  /** Takes the exit status of an ended child, so that it is no zombie any more. */
  readonly reap: (pid: number) => void;
  /** @returns a pipe whose ends no child inherits unless it is given them. */
  readonly pipe: () => { readonly read: number; readonly write: number } | undefined;
};

export const libc: Libc | undefined = process.platform === "linux" ? openFirst(bind) : undefined;

/** @returns what the first of the names that is a libc here gives. */
export function openFirst<T>(open: (library: string) => T): T | undefined {
  for (const library of LIBRARIES) {
    try {
      return open(library);
    } catch {
      // Not this libc: try the next name; with none of them the callers' fallbacks apply.
    }
  }
  return undefined;
}

function bind(library: string): Libc {
  const { symbols } = dlopen(library, {
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
    pipe2: { args: ["ptr", "i32"], returns: "i32" },
  });
  return {
    becomeSubreaper: () => symbols.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0,
    reap: (pid) => {
      symbols.waitpid(pid, null, WNOHANG);
    },
    pipe: () => {
      const ends = new Int32Array(2);
      if (symbols.pipe2(ptr(ends), O_CLOEXEC) !== 0) return undefined;
      const [read, write] = ends;
      return read === undefined || write === undefined ? undefined : { read, write };
    },
  };
}
