/** The worker's part in the way to the egress proxy: it takes what the launcher of a command opened for it. */
import { err, type Failure, ok, type Result, retryable } from "#base";
import { descriptorMessage, descriptorOf } from "./descriptor-message.ts";
import { errorText, openKernel } from "./kernel.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const EAGAIN = 11;

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
  const fd = descriptorOf(message);
  return got > 0 && fd >= 0 ? { kind: "taken", fd } : { kind: "over" };
}
