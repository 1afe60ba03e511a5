/**
 * The seccomp filter: a classic BPF program that the kernel runs before every system call of a command. A list of what
 * is denied: a list of what is allowed breaks programs with each new libc, and Landlock and the user id are the other
 * half of the wall. F1: a call of another ABI ends the process. F2: no rule falls through into the operand of another.
 */
import { MARK_RESOURCE } from "./process-mark.ts";
import {
  AUDIT_ARCH,
  DENIED_CALLS,
  IPC_CALLS,
  type SandboxArch,
  type SyscallName,
  syscallNumber,
  X32_BIT,
} from "./syscall-table.ts";

/** struct sock_filter: code, jump if true, jump if false, operand. */
export type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, operand: number];

export type FilterRequest = {
  readonly arch: SandboxArch;
  /** `none`: no sockets but pairs. `tcp`: TCP over IPv4 and IPv6, outgoing; Landlock decides on the port. */
  readonly network: "none" | "tcp";
  /** Below 3 Landlock does not see truncation, so the filter closes the calls that truncate by path. 0: no Landlock. */
  readonly landlockAbi: number;
  /** Whether the command has an IPC namespace of its own; else it would share memory with other processes of its user. */
  readonly ownIpc: boolean;
};

/** struct seccomp_data; the low word of an argument, which both machines store first. */
const OFFSET_NUMBER = 0;
const OFFSET_ARCH = 4;
const argument = (index: number): number => 16 + 8 * index;

const ALLOW = 0x7fff_0000;
const KILL_PROCESS = 0x8000_0000;
const EPERM = 1;
const ENOSYS = 38;
const fail = (errno: number): number => 0x0005_0000 | errno;

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: a new user namespace gives back rights like root's. */
const CLONE_NAMESPACES = 0x7e02_0000;
/** Push characters into the terminal of whoever started us, and the console's own form of the same. */
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_TYPE_MASK = 0xf;
const SOCK_STREAM = 1;
const SOCK_SEQPACKET = 5;
const IPPROTO_TCP = 6;
/** Connects within sendto and sendmsg, where Landlock does not look (TCP Fast Open). */
const MSG_FASTOPEN = 0x2000_0000;
const O_ACCMODE_AND_TRUNC = 0o1003;
const O_TRUNC_FOR_READING = 0o1000;

const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const ret = (action: number): Instruction => [0x06, 0, 0, action];
const and = (mask: number): Instruction => [0x54, 0, 0, mask];
/** Skips `many` instructions unless the word equals `value`. */
const skipUnless = (value: number, many: number): Instruction => [0x15, 0, many, value];
const skipIf = (value: number, many: number): Instruction => [0x15, many, 0, value];

/** @returns the program; the order of its rules does not matter, since each call is named by one rule. */
export function filterProgram(request: FilterRequest): readonly Instruction[] {
  const { arch } = request;
  const on = (name: SyscallName, body: readonly Instruction[]): readonly Instruction[] => {
    const number = syscallNumber(arch, name);
    return number === null ? [] : [skipUnless(number, body.length), ...body];
  };
  const deny = (name: SyscallName, errno = EPERM): readonly Instruction[] => on(name, [ret(fail(errno))]);
  return [
    load(OFFSET_ARCH),
    skipIf(AUDIT_ARCH[arch], 1),
    ret(KILL_PROCESS),
    load(OFFSET_NUMBER),
    ...(arch === "x64" ? [[0x35, 0, 1, X32_BIT] as const, ret(KILL_PROCESS)] : []),
    ...DENIED_CALLS.flatMap((name) => deny(name)),
    // Its flags lie in memory, where a filter cannot read; without it libc falls back to clone.
    ...deny("clone3", ENOSYS),
    ...on("clone", denyIfAnyBit(argument(0), CLONE_NAMESPACES)),
    ...on("ioctl", [load(argument(1)), skipIf(TIOCSTI, 1), skipUnless(TIOCLINUX, 1), ret(fail(EPERM)), ret(ALLOW)]),
    // Limits of other processes of the same user; of itself a process may still ask and lower them, but for its mark.
    ...on("prlimit64", [
      load(argument(0)),
      skipUnless(0, 7),
      load(argument(1)),
      skipUnless(MARK_RESOURCE, 4),
      // Both words of the pointer to the new limit: without one it is only asked for.
      load(argument(2)),
      skipUnless(0, 3),
      load(argument(2) + 4),
      skipUnless(0, 1),
      ret(ALLOW),
      ret(fail(EPERM)),
    ]),
    ...on("setrlimit", [load(argument(0)), skipUnless(MARK_RESOURCE, 1), ret(fail(EPERM)), ret(ALLOW)]),
    ...(request.ownIpc ? [] : IPC_CALLS.flatMap((name) => deny(name))),
    // A datagram pair can still be sent to any path; stream and packet pairs are bound to each other.
    ...on("socketpair", [
      load(argument(0)),
      skipUnless(AF_UNIX, 5),
      load(argument(1)),
      and(SOCK_TYPE_MASK),
      skipIf(SOCK_STREAM, 1),
      skipUnless(SOCK_SEQPACKET, 1),
      ret(ALLOW),
      ret(fail(EPERM)),
    ]),
    ...(request.network === "none" ? withoutNetwork(deny) : withTcp(on, deny)),
    ...(request.landlockAbi < 3 ? withoutTruncation(on, deny) : []),
    ret(ALLOW),
  ];
}

type On = (name: SyscallName, body: readonly Instruction[]) => readonly Instruction[];
type Deny = (name: SyscallName, errno?: number) => readonly Instruction[];

function denyIfAnyBit(offset: number, mask: number): readonly Instruction[] {
  return [load(offset), [0x45, 0, 1, mask], ret(fail(EPERM)), ret(ALLOW)];
}

function withoutNetwork(deny: Deny): readonly Instruction[] {
  return (["socket", "connect", "bind", "listen"] as const).flatMap((name) => deny(name));
}

/** Neither MPTCP (protocol 262, which Landlock's TCP rules do not cover) nor anything that is not TCP. */
function withTcp(on: On, deny: Deny): readonly Instruction[] {
  return [
    ...on("socket", [
      load(argument(0)),
      skipIf(AF_INET, 1),
      skipUnless(AF_INET6, 7),
      load(argument(1)),
      and(SOCK_TYPE_MASK),
      skipUnless(SOCK_STREAM, 4),
      load(argument(2)),
      skipIf(0, 1),
      skipUnless(IPPROTO_TCP, 1),
      ret(ALLOW),
      ret(fail(EPERM)),
    ]),
    // listen(2) on an unbound socket picks a port by itself, which Landlock's rule on bind does not see.
    ...deny("listen"),
    ...on("sendto", denyIfAnyBit(argument(3), MSG_FASTOPEN)),
    ...on("sendmsg", denyIfAnyBit(argument(2), MSG_FASTOPEN)),
    ...on("sendmmsg", denyIfAnyBit(argument(3), MSG_FASTOPEN)),
  ];
}

/** Also O_RDONLY|O_TRUNC, which empties a file that may only be read. The flags of openat2 lie in memory. */
function withoutTruncation(on: On, deny: Deny): readonly Instruction[] {
  const denyTruncating = (flags: number): readonly Instruction[] => [
    load(flags),
    and(O_ACCMODE_AND_TRUNC),
    skipUnless(O_TRUNC_FOR_READING, 1),
    ret(fail(EPERM)),
    ret(ALLOW),
  ];
  return [
    ...deny("truncate"),
    ...on("open", denyTruncating(argument(1))),
    ...on("openat", denyTruncating(argument(2))),
    ...deny("openat2", ENOSYS),
  ];
}

/** struct sock_filter, 8 bytes each, little-endian as both machines are. */
export function encodeFilter(program: readonly Instruction[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(([code, jumpTrue, jumpFalse, operand], index) => {
    bytes.setUint16(index * 8, code, true);
    bytes.setUint8(index * 8 + 2, jumpTrue);
    bytes.setUint8(index * 8 + 3, jumpFalse);
    bytes.setUint32(index * 8 + 4, operand >>> 0, true);
  });
  return new Uint8Array(bytes.buffer);
}
