/** Ports of loopback: one that is free, and whether a process listens at one. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const HOST = "127.0.0.1";
/** 127.0.0.1 as /proc/net/tcp writes it. */
const HOST_IN_TABLE = "0100007F";
const LISTENS = "0A";

/** One that is free at this moment; another process may take it before it is used, which is then a start that failed. */
export function freePort(): number {
  const listener = Bun.listen({ hostname: HOST, port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

/** Whether that very process listens there, and not another that took the port. True where that cannot be seen. */
export function listensAt(pid: number, port: number): boolean {
  const wanted = `${HOST_IN_TABLE}:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  let table: string;
  try {
    table = readFileSync("/proc/net/tcp", "latin1");
  } catch {
    return true;
  }
  // Fields: number, local address, remote address, state, …; the tenth is the inode of the socket.
  const line = table
    .split("\n")
    .map((text) => text.trim().split(/ +/))
    .find((fields) => fields[1] === wanted && fields[3] === LISTENS);
  return line !== undefined && holdsSocket(pid, `socket:[${line[9]}]`);
}

function holdsSocket(pid: number, socket: string): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((name) => {
      try {
        return readlinkSync(`${folder}/${name}`) === socket;
      } catch {
        return false; // It was closed between the two looks.
      }
    });
  } catch {
    return false; // The process has ended.
  }
}
