/** What /proc says of processes and sockets. Where there is none, nothing is found. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

export type NamedProcess = { readonly pid: number; readonly name: string };

/** A TCP socket that listens; `address` in hex, most significant byte first, 8 or 32 digits. */
export type Listener = {
  readonly address: string;
  readonly port: number;
  readonly uid: number;
  readonly inode: string;
};

export const PROC = "/proc";

/** @returns the text of a file; undefined when it is not there or may not be read. */
export function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // The caller says what it means that nothing is there.
  }
}

export function namedProcess(pid: number): NamedProcess {
  return { pid, name: readOptional(join(PROC, String(pid), "comm"))?.trim() ?? "unknown" };
}

/** State LISTEN of /proc/net/tcp (proc_pid_net(5)). */
const LISTENS = "0A";

/** Reads /proc/net/tcp or tcp6. The kernel writes addresses as words in the order of the machine, little-endian. */
export function parseListeners(table: string): readonly Listener[] {
  return table
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [, local = "", , state, , , , uid = "", , inode = ""] = line.trim().split(/\s+/);
      const [words = "", port = ""] = local.split(":");
      if (state !== LISTENS || port === "") return [];
      const address = words.replaceAll(/(..)(..)(..)(..)/g, "$4$3$2$1").toLowerCase();
      return [{ address, port: Number.parseInt(port, 16), uid: Number(uid), inode }];
    });
}

/** FLOCK rows of /proc/locks: which process locked which inode. */
export function parseFileLocks(table: string): readonly { readonly pid: number; readonly inode: string }[] {
  return table.split("\n").flatMap((line) => {
    const [, pid = "", inode = ""] = /^\d+: FLOCK\s+\S+\s+\S+\s+(-?\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line) ?? [];
    return pid === "" ? [] : [{ pid: Number(pid), inode }];
  });
}

/** Processes that have the socket open, as far as this user may see. */
export function holdersOf(inode: string): readonly NamedProcess[] {
  const wanted = `socket:[${inode}]`;
  return entriesOf(PROC).flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    const folder = join(PROC, entry, "fd");
    const holds = entriesOf(folder).some((descriptor) => linkOf(join(folder, descriptor)) === wanted);
    return holds ? [namedProcess(Number(entry))] : [];
  });
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // It ended meanwhile, or is another user's.
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // It was closed meanwhile.
  }
}
