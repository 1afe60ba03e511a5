/**
 * The TCP socket that the watchdog listens on and never accepts from: the kernel keeps connections waiting in it while
 * no generation of the node runs, so that neither a swap nor a crash refuses one.
 *
 * WHY through the C library: every `listen` of Bun also begins to accept.
 */
import { err, ok, type Result, refused, retryable } from "#base";
import {
  AF_INET,
  AF_INET6,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  type SocketCalls,
  socketCalls,
} from "./socket-calls.ts";

/**
 * Connections that wait while no generation runs. Beyond it the kernel drops the first packet and the client asks again
 * a second later. The kernel cuts it down to net.core.somaxconn, 4,096 by default.
 */
const BACKLOG = 4_096;

export type ListeningSocket = {
  readonly fd: number;
  readonly port: number;
  readonly close: () => void;
};

/**
 * Binds and listens. Without SO_REUSEPORT, so a second program on the port is told.
 * @param address `host` is an IP address or `localhost`; port 0 takes a free one.
 */
export function openListeningSocket(address: {
  readonly host: string;
  readonly port: number;
}): Result<ListeningSocket> {
  const calls = socketCalls;
  if (calls === undefined) return err(refused("unsupported", `${process.platform} has no sockets to be shared`));
  const bytes = socketAddress(address.host, address.port);
  if (bytes === undefined) {
    return err(
      refused("invalid", `${address.host} is not an IP address`, "Set http.host to an IP address of this host"),
    );
  }
  const family = bytes.length === INET6_BYTES ? AF_INET6 : AF_INET;
  const fd = calls.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return err(listenFailure(-fd, address));
  // Otherwise a restart within a minute fails on connections that are still in TIME_WAIT.
  calls.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const bound = calls.bind(fd, bytes);
  const listening = bound < 0 ? bound : calls.listen(fd, BACKLOG);
  if (listening < 0) {
    calls.close(fd);
    return err(listenFailure(-listening, address));
  }
  return ok(listeningSocket(calls, fd));
}

/** A listening socket that this process was given. @returns undefined when the descriptor is none. */
export function inheritedSocket(fd: number): ListeningSocket | undefined {
  return socketCalls === undefined || portOf(socketCalls, fd) === undefined
    ? undefined
    : listeningSocket(socketCalls, fd);
}

function listeningSocket(calls: SocketCalls, fd: number): ListeningSocket {
  return { fd, port: portOf(calls, fd) ?? 0, close: () => void calls.close(fd) };
}

/** @returns the port that an IP socket is bound to. */
export function portOf(calls: SocketCalls, fd: number): number | undefined {
  const own = new Uint8Array(INET6_BYTES);
  if (calls.ownAddress(fd, own) < 0) return undefined;
  const view = new DataView(own.buffer);
  const family = view.getUint16(0, true);
  return family === AF_INET || family === AF_INET6 ? view.getUint16(2) : undefined;
}

/** sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6) */
const INET_BYTES = 16;
const INET6_BYTES = 28;

/** @returns struct sockaddr_in or sockaddr_in6; undefined when the host is no address. */
export function socketAddress(host: string, port: number): Uint8Array | undefined {
  const name = host === "localhost" ? "127.0.0.1" : host.replace(/^\[|\]$/g, "");
  const four = ipv4Bytes(name);
  const six = four === undefined ? ipv6Bytes(name) : undefined;
  if (four === undefined && six === undefined) return undefined;
  const bytes = new Uint8Array(four === undefined ? INET6_BYTES : INET_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, four === undefined ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port);
  if (four !== undefined) bytes.set(four, 4);
  else bytes.set(six ?? [], 8);
  return bytes;
}

function ipv4Bytes(text: string): readonly number[] | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  return parts.every((part) => part <= 255) ? parts : undefined;
}

function ipv6Bytes(text: string): readonly number[] | undefined {
  // The parser of URLs writes every spelling of an IPv6 address in its one shortest form (RFC 5952).
  const canonical = text.includes(":") ? URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1) : undefined;
  if (canonical === undefined) return undefined;
  const [head = "", tail] = canonical.split("::");
  const words = (part: string): readonly number[] =>
    part === "" ? [] : part.split(":").map((word) => parseInt(word, 16));
  const [before, after] = [words(head), tail === undefined ? [] : words(tail)];
  const zeros: number[] = new Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 0xff]);
}

const EACCES = 13;
const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;

function listenFailure(errno: number, { host, port }: { readonly host: string; readonly port: number }) {
  const where = `${host}:${port}`;
  switch (errno) {
    case EADDRINUSE:
      return refused(
        "in_use",
        `another program listens on ${where}`,
        "Stop it, or choose another port: http.port in drover.toml or DROVER_HTTP_PORT",
      );
    case EACCES:
      return refused("unsupported", `this user may not listen on ${where}`, "Choose a port above 1023");
    case EADDRNOTAVAIL:
      return refused("unsupported", `this host has no address ${host}`, "Set http.host to one of its addresses");
    default:
      return retryable("unavailable", `cannot listen on ${where}: error ${errno}`, "Check http.host and http.port");
  }
}
