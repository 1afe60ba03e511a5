/** Whether the node can listen where it is told to. */
import { join } from "node:path";
import type { Finding } from "#cli";
import { finding } from "./finding.ts";
import { holdersOf, type Listener, type NamedProcess, PROC, parseListeners, readOptional } from "./proc.ts";

export type PortFacts = {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly isRoot: boolean;
  /** Lower ports are root's; null where the system does not say. */
  readonly firstFreePort: number | null;
  /** Who listens there; null where that cannot be seen. */
  readonly listeners: readonly { readonly uid: number; readonly holders: readonly NamedProcess[] }[] | null;
  /** Living processes of this state folder. */
  readonly own: readonly number[];
};

const REMEDY = "Stop it, or choose another port: http.port in drover.toml or DROVER_HTTP_PORT";

export function portFindings({ host, port, isRoot, firstFreePort, listeners, own }: PortFacts): readonly Finding[] {
  const where = `${host}:${port}`;
  if (port === 0) return [finding("port", "ok", "http.port is 0: each start takes a free one")];
  if (firstFreePort !== null && port < firstFreePort && !isRoot) {
    const detail = `this user may not listen on ${where}: ports below ${firstFreePort} are root's`;
    return [finding("port", "fail", detail, `Set http.port to ${firstFreePort} or above`)];
  }
  if (listeners === null) return [finding("port", "ok", `who listens on ${where} cannot be seen on this system`)];
  const [listener] = listeners;
  if (listener === undefined) return [finding("port", "ok", `${where} is free`)];
  const holders = listeners.flatMap((each) => each.holders);
  const mine = holders.find(({ pid }) => own.includes(pid));
  if (mine !== undefined) return [finding("port", "ok", `${where} is drover's (process ${mine.pid})`)];
  const [holder] = holders;
  if (holder !== undefined) {
    return [finding("port", "fail", `${holder.name} (process ${holder.pid}) listens on ${where}`, REMEDY)];
  }
  const detail = `a program of user ${listener.uid} listens on ${where}`;
  // A service's processes may not be looked into by other users.
  if (own.length > 0) return [finding("port", "ok", `${detail}; as drover runs, that should be it`)];
  return [finding("port", "fail", detail, `${REMEDY}; see who it is with: sudo ss -ltnp "sport = :${port}"`)];
}

export function lookAtPort(host: string, port: number, own: readonly number[]): PortFacts {
  const tables = ["tcp", "tcp6"].map((name) => readOptional(join(PROC, "net", name)));
  const first = Number(readOptional(join(PROC, "sys/net/ipv4/ip_unprivileged_port_start")) ?? "");
  const isSeen = tables.some((table) => table !== undefined);
  const there = tables.flatMap((table) => parseListeners(table ?? "")).filter((each) => isInTheWay(each, host, port));
  return {
    host,
    port,
    isRoot: process.getuid?.() === 0,
    firstFreePort: first > 0 ? first : null,
    listeners: isSeen ? there.map(({ uid, inode }) => ({ uid, holders: holdersOf(inode) })) : null,
    own,
  };
}

/** Two sockets are in each other's way on one port when either listens on every address, or both on the same. */
export function isInTheWay(
  { address, port }: Pick<Listener, "address" | "port">,
  host: string,
  wanted: number,
): boolean {
  if (port !== wanted) return false;
  const own = hexOf(host);
  return own === null || /^0+$/.test(own) || /^0+$/.test(address) || address === own || address === mapped(own);
}

/** An IPv4 address as a socket of both families has it (RFC 4291, 2.5.5.2). */
function mapped(address: string): string {
  return `00000000000000000000ffff${address}`;
}

/** @returns null for an address that is not understood, which is taken to be in the way of everything. */
function hexOf(host: string): string | null {
  const name = host === "localhost" ? "127.0.0.1" : host.replace(/^\[|\]$/g, "");
  if (name === "::") return "0";
  if (name === "::1") return "1".padStart(32, "0");
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(name)) return null;
  return name
    .split(".")
    .map((part) => Number(part).toString(16).padStart(2, "0"))
    .join("");
}
