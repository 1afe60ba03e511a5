/**
 * How the worker's proxy comes to listen in a command's own network: the launcher, which is in that network, opens the
 * socket and sends it to the worker (SCM_RIGHTS, unix(7)) before it restricts itself. The command holds neither.
 */
import { closeSync } from "node:fs";
import { err, type Failure, ok, type Result, retryable } from "#base";
import type { EgressOrder } from "../launch-order.ts";
import type { SyscallName } from "../syscall-table.ts";
import { cPointer, errorText, type Kernel, openKernel, type SyscallArgument } from "./kernel.ts";

const CLONE_NEWNET = 0x4000_0000;
const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
const EAGAIN = 11;
/** A package manager opens up to 50 connections at once; the worker takes them some milliseconds later. */
const BACKLOG = 128;
const LOOPBACK = [127, 0, 0, 1] as const;

/** Two connected sockets: what is sent into one comes out of the other. */
export type Handover = { readonly ours: number; readonly theirs: number };

/** @returns sockets that no child inherits unless it is given one; both are the caller's to close. */
export function openHandover(): Result<Handover, Failure> {
  const kernel = openKernel();
  const ends = new Int32Array(2);
  const bytes = new Uint8Array(ends.buffer);
  const made =
    typeof kernel === "string" ? kernel : kernel.call("socketpair", AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, bytes);
  const [ours, theirs] = ends;
  if (made === 0 && ours !== undefined && theirs !== undefined) return ok({ ours, theirs });
  return err(retryable("unavailable", `reach the egress proxy: ${typeof made === "string" ? made : errorText(-made)}`));
}

/** `over`: nobody is left who could send one. */
export type Taken = { readonly kind: "taken"; readonly fd: number } | { readonly kind: "waiting" | "over" };

/** Takes the listening socket that the launcher sent, without waiting for it. */
export function takeListener(handover: number): Taken {
  const kernel = openKernel();
  if (typeof kernel === "string") return { kind: "over" };
  const message = descriptorMessage(-1);
  const got = kernel.call("recvmsg", handover, message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got === -EAGAIN) return { kind: "waiting" };
  const fd = new DataView(message.control.buffer).getInt32(CONTROL_HEADER_BYTES, true);
  return got > 0 && fd >= 0 ? { kind: "taken", fd } : { kind: "over" };
}

/** In the launcher. @throws when the kernel refuses a step: then nothing may be started. */
export function offerListener(kernel: Kernel, { port, handover, makesNetwork }: EgressOrder): void {
  if (makesNetwork) check(kernel, "unshare", CLONE_NEWNET);
  const fd = check(kernel, "socket", AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (makesNetwork) check(kernel, "ioctl", fd, SIOCSIFFLAGS, loopbackUp());
  const address = loopbackAddress(port);
  check(kernel, "bind", fd, address, address.length);
  check(kernel, "listen", fd, BACKLOG);
  check(kernel, "sendmsg", handover, descriptorMessage(fd).header, MSG_NOSIGNAL);
  closeSync(fd);
}

function check(kernel: Kernel, name: SyscallName, ...args: readonly SyscallArgument[]): number {
  const result = kernel.call(name, ...args);
  if (result < 0) throw new Error(`open the way to the egress proxy, ${name}: ${errorText(-result)}`);
  return result;
}

/** struct ifreq of netdevice(7): the name in 16 bytes, then its flags. A new network has a loopback that is down. */
function loopbackUp(): Uint8Array {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode("lo"));
  new DataView(request.buffer).setInt16(16, IFF_UP, true);
  return request;
}

/** struct sockaddr_in */
function loopbackAddress(port: number): Uint8Array {
  const address = new Uint8Array(16);
  new DataView(address.buffer).setUint16(0, AF_INET, true);
  new DataView(address.buffer).setUint16(2, port, false);
  address.set(LOOPBACK, 4);
  return address;
}

const CONTROL_HEADER_BYTES = 16;

/** struct msghdr with one byte of data and room for one descriptor; the parts live as long as the message. */
function descriptorMessage(fd: number) {
  const data = new Uint8Array(1);
  const vector = new Uint8Array(BigUint64Array.of(cPointer(data), 1n).buffer);
  const control = new Uint8Array(CONTROL_HEADER_BYTES + 8);
  const controlView = new DataView(control.buffer);
  controlView.setBigUint64(0, BigInt(CONTROL_HEADER_BYTES + 4), true);
  controlView.setInt32(8, SOL_SOCKET, true);
  controlView.setInt32(12, SCM_RIGHTS, true);
  controlView.setInt32(CONTROL_HEADER_BYTES, fd, true);
  const header = new Uint8Array(56);
  const view = new DataView(header.buffer);
  view.setBigUint64(16, cPointer(vector), true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, cPointer(control), true);
  view.setBigUint64(40, BigInt(control.length), true);
  return { header, control, data, vector };
}
