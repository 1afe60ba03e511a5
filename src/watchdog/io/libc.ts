/**
 * The calls of the C library that Bun does not offer. Linux alone; elsewhere, and where no C library can be opened,
 * {@link libc} is undefined and each caller says what it goes without.
 */
import { dlopen, ptr, read } from "bun:ffi";
import { bindCLibrary } from "./c-library.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const O_CLOEXEC = 0o2000000;
const WNOHANG = 1;
const F_SETFD = 2;
const F_SETPIPE_SZ = 1031;
const FD_CLOEXEC = 1;
const LOCK_EX_NB = 2 | 4;
const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | O_CLOEXEC;
const MSG_NOSIGNAL = 0x4000;
const CLOCK_MONOTONIC = 1;

export type Libc = {
  /** Makes orphans among this process's descendants its children. @returns whether the kernel agreed. */
  readonly becomeSubreaper: () => boolean;
  /** Takes the status of a child that has ended. @returns it as wait(2) gives it; undefined when there is none to take. */
  readonly reap: (pid: number) => number | undefined;
  /** @returns a pipe of `bytes` at most whose ends no child inherits unless it is given them. */
  readonly pipe: (bytes: number) => { readonly read: number; readonly write: number } | undefined;
  /** @returns whether this open file now holds the lock; it ends with the last descriptor of the open file. */
  readonly lockFile: (descriptor: number) => boolean;
  /** Whether the descriptor ends when this process becomes another program. */
  readonly closeOnExec: (descriptor: number, closes: boolean) => boolean;
  /** Sends one datagram to a unix socket; a name that begins with NUL is abstract. @returns whether it was taken. */
  readonly sendDatagram: (path: string, text: string) => boolean;
  /** CLOCK_MONOTONIC, which systemd compares with its own. */
  readonly monotonicMicroseconds: () => bigint;
};

export const libc: Libc | undefined = bindCLibrary(bind);

function bind(library: string): Libc {
  const { symbols } = dlopen(library, {
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
    waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
    pipe2: { args: ["ptr", "i32"], returns: "i32" },
    flock: { args: ["i32", "i32"], returns: "i32" },
    fcntl: { args: ["i32", "i32", "i64"], returns: "i32" },
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
    clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  });
  return {
    becomeSubreaper: () => symbols.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) === 0,
    reap: (pid) => {
      const status = new Int32Array(1);
      return symbols.waitpid(pid, ptr(status), WNOHANG) === pid ? status[0] : undefined;
    },
    pipe: (bytes) => {
      const ends = new Int32Array(2);
      if (symbols.pipe2(ptr(ends), O_CLOEXEC) !== 0) return undefined;
      const [readEnd, writeEnd] = ends;
      if (readEnd === undefined || writeEnd === undefined) return undefined;
      symbols.fcntl(writeEnd, F_SETPIPE_SZ, bytes); // Refused above the user's limit: then it keeps its 64 KiB.
      return { read: readEnd, write: writeEnd };
    },
    lockFile: (descriptor) => symbols.flock(descriptor, LOCK_EX_NB) === 0,
    closeOnExec: (descriptor, closes) => symbols.fcntl(descriptor, F_SETFD, closes ? FD_CLOEXEC : 0) === 0,
    sendDatagram: (path, text) => {
      const address = unixAddress(path);
      const bytes = Buffer.from(text);
      const socket = symbols.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
      if (socket < 0) return false;
      const sent = symbols.sendto(socket, ptr(bytes), bytes.length, MSG_NOSIGNAL, ptr(address), address.length);
      symbols.close(socket);
      return Number(sent) === bytes.length;
    },
    monotonicMicroseconds: () => {
      const time = new BigInt64Array(2); // seconds, nanoseconds
      symbols.clock_gettime(CLOCK_MONOTONIC, ptr(time));
      return read.i64(ptr(time), 0) * 1_000_000n + read.i64(ptr(time), 8) / 1_000n;
    },
  };
}

/** struct sockaddr_un, as long as it needs to be: an abstract name has no end but its length. */
function unixAddress(path: string): Buffer {
  return Buffer.concat([
    Buffer.from(new Uint16Array([AF_UNIX]).buffer),
    Buffer.from(`${path}${path.startsWith("\0") ? "" : "\0"}`),
  ]);
}
