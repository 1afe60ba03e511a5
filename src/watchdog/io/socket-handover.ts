/**
 * Gives an open socket to another process over a Unix datagram socket (SCM_RIGHTS, unix(7)). A watchdog that was started
 * again after its own death gets the listening socket back this way from the node that went on serving.
 */

import { ptr } from "bun:ffi";
import { err, ok, type Result, retryable, terminal } from "#base";
import { inheritedSocket, type ListeningSocket } from "./listening-socket.ts";
import {
  AF_UNIX,
  SCM_RIGHTS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  type SocketCalls,
  socketCalls,
} from "./socket-calls.ts";

/** sizeof(sockaddr_un.sun_path), with its ending NUL */
const MAX_PATH_BYTES = 108;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** Where a socket can be sent to. */
export type SocketReceiver = {
  /** @returns the socket that has come, or undefined when none has yet. */
  readonly take: () => ListeningSocket | undefined;
  readonly close: () => void;
};

/** Listens at `path`, which must not exist. */
export function receiveSockets(path: string): Result<SocketReceiver> {
  const calls = socketCalls;
  const address = unixAddress(path);
  if (calls === undefined || address === undefined) return err(terminal("unsupported", `cannot receive at ${path}`));
  const fd = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const bound = fd < 0 ? fd : calls.bind(fd, address);
  if (bound < 0) {
    if (fd >= 0) calls.close(fd);
    return err(retryable("unavailable", `cannot receive at ${path}: error ${-bound}`));
  }
  return ok({ take: () => takeSocket(calls, fd), close: () => void calls.close(fd) });
}

/** Sends the socket `fd` to whoever receives at `path`. It stays open here too. */
export function sendSocket(path: string, fd: number): Result<void> {
  const calls = socketCalls;
  const address = unixAddress(path);
  if (calls === undefined || address === undefined) return err(terminal("unsupported", `cannot send to ${path}`));
  const sender = calls.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (sender < 0) return err(retryable("unavailable", `cannot send to ${path}: error ${-sender}`));
  try {
    const connected = calls.connect(sender, address);
    if (connected < 0) return err(retryable("unavailable", `cannot send to ${path}: error ${-connected}`));
    const message = socketMessage(fd);
    const sent = calls.sendMessage(sender, message.header, MSG_NOSIGNAL);
    return sent < 0 ? err(retryable("unavailable", `cannot send to ${path}: error ${-sent}`)) : ok(undefined);
  } finally {
    calls.close(sender);
  }
}

function takeSocket(calls: SocketCalls, receiver: number): ListeningSocket | undefined {
  const message = socketMessage(-1);
  if (calls.receiveMessage(receiver, message.header, MSG_CMSG_CLOEXEC) < 0) return undefined;
  const fd = new DataView(message.control.buffer).getInt32(CONTROL_HEADER_BYTES, true);
  if (fd < 0) return undefined;
  const socket = inheritedSocket(fd);
  if (socket === undefined) calls.close(fd);
  return socket;
}

const CONTROL_HEADER_BYTES = 16;

/** struct msghdr with one byte of data and room for one descriptor; the parts live as long as the message. */
function socketMessage(fd: number) {
  const data = new Uint8Array(1);
  const vector = new BigUint64Array([BigInt(ptr(data)), 1n]);
  const control = new Uint8Array(CONTROL_HEADER_BYTES + 8);
  const controlView = new DataView(control.buffer);
  controlView.setBigUint64(0, BigInt(CONTROL_HEADER_BYTES + 4), true);
  controlView.setInt32(8, SOL_SOCKET, true);
  controlView.setInt32(12, SCM_RIGHTS, true);
  controlView.setInt32(CONTROL_HEADER_BYTES, fd, true);
  const header = new Uint8Array(56);
  const view = new DataView(header.buffer);
  view.setBigUint64(16, BigInt(ptr(vector)), true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, BigInt(ptr(control)), true);
  view.setBigUint64(40, BigInt(control.length), true);
  return { header, control, data, vector };
}

/** struct sockaddr_un */
function unixAddress(path: string): Uint8Array | undefined {
  const bytes = Buffer.from(path);
  if (bytes.length >= MAX_PATH_BYTES || bytes.includes(0)) return undefined;
  const address = new Uint8Array(2 + bytes.length + 1);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, 2);
  return address;
}
