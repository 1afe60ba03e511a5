import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  encodeFilter,
  type FilterRequest,
  filterProgram,
  type Instruction,
} from "../../../../src/execution/sandbox/seccomp-filter.ts";
import {
  AUDIT_ARCH,
  DENIED_CALLS,
  IPC_CALLS,
  type SandboxArch,
  SYSCALL_NAMES,
  type SyscallName,
  syscallNumber,
  X32_BIT,
} from "../../../../src/execution/sandbox/syscall-table.ts";

const ALLOW = 0x7fff_0000;
const KILL = 0x8000_0000;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;

/** The kernel's interpreter for the few instructions that the filter uses; `seccomp_data` as its words. */
function decide(
  program: readonly Instruction[],
  call: { arch: number; number: number; args?: readonly number[] },
): number {
  const word = (offset: number): number => {
    if (offset === 0) return call.number;
    if (offset === 4) return call.arch;
    return (call.args?.[(offset - 16) / 8] ?? 0) >>> 0;
  };
  let accumulator = 0;
  for (let at = 0; at < program.length; at += 1) {
    const [code, jumpTrue, jumpFalse, operand] = program[at] ?? [0, 0, 0, 0];
    const jump = (holds: boolean): void => {
      at += holds ? jumpTrue : jumpFalse;
    };
    if (code === 0x20) accumulator = word(operand);
    else if (code === 0x54) accumulator = (accumulator & operand) >>> 0;
    else if (code === 0x15) jump(accumulator === operand);
    else if (code === 0x35) jump(accumulator >= operand);
    else if (code === 0x45) jump((accumulator & operand) !== 0);
    else if (code === 0x06) return operand;
    else throw new Error(`unknown instruction ${code}`);
  }
  throw new Error("the program ends without a decision");
}

function filterFor(request: Partial<FilterRequest> = {}) {
  const full: FilterRequest = { arch: "x64", network: "none", landlockAbi: 7, ownIpc: true, ...request };
  const program = filterProgram(full);
  return (name: SyscallName, ...args: readonly number[]): number => {
    const number = syscallNumber(full.arch, name);
    if (number === null) throw new Error(`${full.arch} has no ${name}`);
    return decide(program, { arch: AUDIT_ARCH[full.arch], number, args });
  };
}

const ARCHES: readonly SandboxArch[] = ["x64", "arm64"];

describe.each(ARCHES)("the filter on %s", (arch) => {
  it("denies every call of the list and lets calls without a rule through", () => {
    const filter = filterFor({ arch });
    const program = filterProgram({ arch, network: "none", landlockAbi: 7, ownIpc: true });

    for (const name of DENIED_CALLS.filter((one) => syscallNumber(arch, one) !== null)) {
      expect([name, filter(name)]).toEqual([name, EPERM]);
    }
    for (const name of ["execve", "openat", "chdir", "umask", "ioctl", "clone", "prlimit64", "shmget"] as const) {
      expect([name, filter(name)]).toEqual([name, ALLOW]);
    }
    expect(decide(program, { arch: AUDIT_ARCH[arch], number: 399 })).toBe(ALLOW);
  });

  it("lets a process ask for its mark and change its other limits, and neither change the mark nor another's limits", () => {
    const filter = filterFor({ arch });
    const [mark, cpu, pointer] = [15, 0, 0x7000];

    expect(filter("prlimit64", 0, mark, 0, pointer)).toBe(ALLOW);
    expect(filter("prlimit64", 0, mark, pointer, 0)).toBe(EPERM);
    expect(filter("prlimit64", 0, cpu, pointer, 0)).toBe(ALLOW);
    expect(filter("prlimit64", 7, cpu, 0, pointer)).toBe(EPERM);
    expect(filter("setrlimit", mark, pointer)).toBe(EPERM);
    expect(filter("setrlimit", cpu, pointer)).toBe(ALLOW);
  });

  it("ends a process that calls by another ABI", () => {
    const program = filterProgram({ arch, network: "none", landlockAbi: 7, ownIpc: true });

    for (const other of [0x4000_0003, 0x4000_0028, 0x8000_0016, AUDIT_ARCH[arch === "x64" ? "arm64" : "x64"]]) {
      expect(decide(program, { arch: other, number: 0 })).toBe(KILL);
    }
    expect(decide(program, { arch: AUDIT_ARCH[arch], number: X32_BIT | 39 })).toBe(arch === "x64" ? KILL : ALLOW);
  });

  it("lets threads and forks through and no namespace, by clone nor by clone3", () => {
    const filter = filterFor({ arch });

    expect(filter("clone", 0x003d_0f00)).toBe(ALLOW);
    for (const flag of [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000]) {
      expect(filter("clone", flag | 17)).toBe(EPERM);
    }
    expect(filter("clone3")).toBe(ENOSYS);
  });

  it("opens no socket without network, and stream pairs alone", () => {
    const filter = filterFor({ arch });

    for (const domain of [1, 2, 10, 16, 17, 38, 40]) expect(filter("socket", domain, 1, 0)).toBe(EPERM);
    for (const name of ["connect", "bind", "listen"] as const) expect(filter(name)).toBe(EPERM);
    expect(filter("socketpair", 1, 0o2000001)).toBe(ALLOW);
    expect(filter("socketpair", 1, 5)).toBe(ALLOW);
    expect(filter("socketpair", 1, 2)).toBe(EPERM);
    expect(filter("socketpair", 30, 1)).toBe(EPERM);
  });

  it("opens outgoing TCP over IPv4 and IPv6 alone when there is a proxy", () => {
    const filter = filterFor({ arch, network: "tcp" });

    for (const domain of [2, 10]) {
      expect(filter("socket", domain, 0o2004001, 0)).toBe(ALLOW);
      expect(filter("socket", domain, 1, 6)).toBe(ALLOW);
      for (const [type, protocol] of [
        [1, 262],
        [1, 132],
        [2, 0],
        [3, 1],
        [5, 0],
      ] as const) {
        expect([type, protocol, filter("socket", domain, type, protocol)]).toEqual([type, protocol, EPERM]);
      }
    }
    for (const domain of [1, 16, 17, 38, 40]) expect(filter("socket", domain, 1, 0)).toBe(EPERM);
    expect(filter("listen")).toBe(EPERM);
    expect(filter("connect")).toBe(ALLOW);
    for (const [name, index] of [
      ["sendto", 3],
      ["sendmsg", 2],
      ["sendmmsg", 3],
    ] as const) {
      const args = [0, 0, 0, 0];
      expect(filter(name, ...args)).toBe(ALLOW);
      args[index] = 0x2000_0000 | 0x4000;
      expect(filter(name, ...args)).toBe(EPERM);
    }
  });

  it("shares no memory with other processes of its user unless it has an IPC namespace", () => {
    const shared = filterFor({ arch, ownIpc: false });
    const own = filterFor({ arch, ownIpc: true });

    for (const name of IPC_CALLS) expect([name, shared(name), own(name)]).toEqual([name, EPERM, ALLOW]);
  });

  it("looks at its own limits and at nobody else's, and pushes nothing into a terminal", () => {
    const filter = filterFor({ arch });

    expect(filter("prlimit64", 0)).toBe(ALLOW);
    expect(filter("prlimit64", 4_242)).toBe(EPERM);
    expect(filter("ioctl", 0, 0x5401)).toBe(ALLOW);
    expect(filter("ioctl", 0, 0x5412)).toBe(EPERM);
    expect(filter("ioctl", 0, 0x541c)).toBe(EPERM);
  });

  it("closes truncation by path where Landlock does not see it, and there alone", () => {
    const old = filterFor({ arch, landlockAbi: 2 });
    const recent = filterFor({ arch, landlockAbi: 3 });

    expect([old("truncate"), recent("truncate")]).toEqual([EPERM, ALLOW]);
    expect([old("openat2"), recent("openat2")]).toEqual([ENOSYS, ALLOW]);
    expect([old("openat", -100, 0, 0o1000), recent("openat", -100, 0, 0o1000)]).toEqual([EPERM, ALLOW]);
    expect(old("openat", -100, 0, 0o1101)).toBe(ALLOW);
    expect(old("openat", -100, 0, 0o2000000)).toBe(ALLOW);
  });
});

describe("the program for the kernel", () => {
  it("keeps within the kernel's length and encodes eight bytes for each instruction", () => {
    const program = filterProgram({ arch: "x64", network: "tcp", landlockAbi: 1, ownIpc: false });
    const bytes = encodeFilter(program);

    expect(program.length).toBeLessThan(4_096);
    expect(bytes.length).toBe(program.length * 8);
    expect(bytes.slice(0, 8)).toEqual(Uint8Array.of(0x20, 0, 0, 0, 4, 0, 0, 0));
  });
});

/** name → number, as a header of the kernel defines them. */
function headerNumbers(path: string): ReadonlyMap<string, string> {
  const lines = readFileSync(path, "utf8").matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm);
  return new Map(lines.map(([, name = "", number = ""]) => [name, number]));
}

const HEADERS = {
  x64: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h",
  arm64: "/usr/include/asm-generic/unistd.h",
} as const;

describe.each(ARCHES)("the numbers for %s", (arch) => {
  it.skipIf(!existsSync(HEADERS[arch]))("are those of the installed kernel header", () => {
    const header = headerNumbers(HEADERS[arch]);
    const known = SYSCALL_NAMES.filter((name) => header.has(name));

    expect(known.length).toBeGreaterThan(70);
    expect(known.map((name) => [name, String(syscallNumber(arch, name))])).toEqual(
      known.map((name) => [name, header.get(name)]),
    );
  });
});
