/**
 * The calls of the C library about sockets that Bun does not offer. Linux with glibc or musl, 64 bit, little endian;
 * elsewhere {@link socketCalls} is undefined and callers take their fallback.
 */
import { dlopen, ptr, read } from "bun:ffi";
import { bindCLibrary } from "./c-library.ts";

/** A result of 0 or more, or the negative error number. A buffer stands for its address. */
export type SocketCalls = {
  readonly socket: (family: number, type: number, protocol: number) => number;
  readonly setOption: (fd: number, level: number, option: number, value: number) => number;
  /** @returns the value, or undefined when the descriptor is no such socket. */
  readonly option: (fd: number, level: number, option: number) => number | undefined;
  readonly bind: (fd: number, address: Uint8Array) => number;
  readonly listen: (fd: number, backlog: number) => number;
  /** Writes the socket's own address into `address`. */
  readonly ownAddress: (fd: number, address: Uint8Array) => number;
  /** Makes `to` the same open socket as `from`, in one step, closed on exec. */
  readonly duplicateTo: (from: number, to: number) => number;
  readonly epollControl: (epoll: number, operation: number, fd: number, event: Uint8Array | null) => number;
  readonly connect: (fd: number, address: Uint8Array) => number;
  readonly sendMessage: (fd: number, header: Uint8Array, flags: number) => number;
  readonly receiveMessage: (fd: number, header: Uint8Array, flags: number) => number;
  readonly close: (fd: number) => number;
};

export const socketCalls: SocketCalls | undefined = bindCLibrary(bindTo);

function bindTo(library: string): SocketCalls {
  const { symbols } = dlopen(library, {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
    getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    listen: { args: ["i32", "i32"], returns: "i32" },
    getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    dup3: { args: ["i32", "i32", "i32"], returns: "i32" },
    epoll_ctl: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
    connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
    sendmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
    recvmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  });
  const checked = (result: number | bigint): number => {
    if (result >= 0) return Number(result);
    // oxlint-disable-next-line no-underscore-dangle -- the C library's own name
    const location = symbols.__errno_location();
    return location === null ? -1 : -read.i32(location, 0);
  };
  return {
    socket: (family, type, protocol) => checked(symbols.socket(family, type, protocol)),
    setOption: (fd, level, option, value) =>
      checked(symbols.setsockopt(fd, level, option, ptr(Int32Array.of(value)), 4)),
    option: (fd, level, option) => {
      const value = new Int32Array(1);
      return symbols.getsockopt(fd, level, option, ptr(value), ptr(Uint32Array.of(4))) === 0 ? value[0] : undefined;
    },
    bind: (fd, address) => checked(symbols.bind(fd, ptr(address), address.length)),
    listen: (fd, backlog) => checked(symbols.listen(fd, backlog)),
    ownAddress: (fd, address) => checked(symbols.getsockname(fd, ptr(address), ptr(Uint32Array.of(address.length)))),
    duplicateTo: (from, to) => checked(symbols.dup3(from, to, O_CLOEXEC)),
    epollControl: (epoll, operation, fd, event) =>
      checked(symbols.epoll_ctl(epoll, operation, fd, event === null ? null : ptr(event))),
    connect: (fd, address) => checked(symbols.connect(fd, ptr(address), address.length)),
    sendMessage: (fd, header, flags) => checked(symbols.sendmsg(fd, ptr(header), flags)),
    receiveMessage: (fd, header, flags) => checked(symbols.recvmsg(fd, ptr(header), flags)),
    close: (fd) => checked(symbols.close(fd)),
  };
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
/** Several processes hold the socket: two of them may wake for one connection, and the loser must not block. */
export const SOCK_NONBLOCK = 0o4000;
/** Only a generation that is given the socket may have it, not every program that anything starts. */
export const SOCK_CLOEXEC = 0o2000000;
const O_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ACCEPTCONN = 30;
export const SCM_RIGHTS = 1;
