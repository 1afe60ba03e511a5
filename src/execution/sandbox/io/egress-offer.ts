/**
 * The launcher's part in the way to the egress proxy: in the network of its command it opens what the proxy is to listen
 * on, and sends it to the worker before it restricts itself. The command holds neither socket. Loads no room.
 */
import { closeSync } from "node:fs";
import type { EgressOrder } from "../launch-order.ts";
import type { SyscallName } from "../syscall-table.ts";
import { descriptorMessage } from "./descriptor-message.ts";
import { errorText, type Kernel, type SyscallArgument } from "./kernel.ts";

const CLONE_NEWNET = 0x4000_0000;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;
/** A package manager opens up to 50 connections at once; the worker takes them some milliseconds later. */
const BACKLOG = 128;
const LOOPBACK = [127, 0, 0, 1] as const;

/** @throws when the kernel refuses a step: then nothing may be started. */
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
