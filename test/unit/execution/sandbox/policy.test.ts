import { describe, expect, it } from "vitest";
import {
  type Capability,
  checkNetwork,
  chooseSandbox,
  type SandboxMode,
  type SandboxSupport,
} from "../../../../src/execution/sandbox/policy.ts";

const containing = (part: string): unknown => expect.stringContaining(part);
const notContaining = (part: string): unknown => expect.not.stringContaining(part);

const yes: Capability = { available: true };
const no = (reason: string): Capability => ({ available: false, reason });

function host(
  modes: Partial<Record<SandboxMode, Capability>> = {},
  more: Partial<SandboxSupport> = {},
): SandboxSupport {
  return {
    platform: "linux",
    arch: "x64",
    uid: 1000,
    landlockAbi: 7,
    landlock: yes,
    seccomp: yes,
    bubblewrap: "/usr/bin/bwrap",
    bubblewrapRuns: yes,
    mounts: no("not root"),
    modes: { strict: yes, kernel: yes, limits: yes, ...modes },
    ...more,
  };
}

describe("the mode of the sandbox", () => {
  it("is the strongest that the host has when nothing is asked for", () => {
    const withoutBubblewrap = host({ strict: no("bubblewrap is not installed") });

    expect(chooseSandbox("auto", host(), false)).toMatchObject({ ok: true, value: { mode: "strict" } });
    expect(chooseSandbox("auto", withoutBubblewrap, false)).toMatchObject({ ok: true, value: { mode: "kernel" } });
  });

  it("is never weaker than asked for: what cannot be had is refused with what to do", () => {
    const missing = host({ strict: no("bubblewrap is not installed") }, { bubblewrap: null });
    const broken = host({ strict: no("bubblewrap is installed and does not run: No permissions") });

    expect(chooseSandbox("strict", missing, true)).toMatchObject({
      ok: false,
      error: {
        kind: "refused",
        message: containing("not installed"),
        remedy: containing("Install bubblewrap"),
      },
    });
    expect(chooseSandbox("strict", broken, true)).toMatchObject({
      error: { remedy: containing("AppArmor") },
    });
    expect(chooseSandbox("kernel", host({ kernel: no("no Landlock") }), true)).toMatchObject({
      ok: false,
      error: { remedy: containing("5.13") },
    });
  });

  it("starts commands in limits only for an operator who accepts it, and says with which setting", () => {
    const old = host({ strict: no("no Landlock"), kernel: no("no Landlock") }, { landlockAbi: 0 });
    const refused = { remedy: containing("sandbox.allow_unsandboxed") };

    expect(chooseSandbox("auto", old, false)).toMatchObject({
      value: { mode: "limits", commandsRefused: { ...refused, reason: containing("no Landlock") } },
    });
    expect(chooseSandbox("auto", old, true)).toMatchObject({ value: { mode: "limits", commandsRefused: null } });
    expect(chooseSandbox("limits", host(), false)).toMatchObject({
      value: { commandsRefused: { remedy: containing("sandbox.mode to strict") } },
    });
    for (const mode of ["strict", "kernel"] as const)
      expect(chooseSandbox(mode, host(), false)).toMatchObject({ value: { mode, commandsRefused: null } });
  });

  it("is none on a host that can enforce nothing, whatever the operator accepts", () => {
    const nothing = host({ strict: no("x"), kernel: no("x"), limits: no("x") });

    expect(chooseSandbox("auto", nothing, true)).toMatchObject({ ok: false });
  });

  it("says what mode kernel leaves open on this host", () => {
    const choice = chooseSandbox("kernel", host({}, { landlockAbi: 4 }), false);

    expect(choice).toMatchObject({ value: { reason: containing("signal other processes") } });
    expect(choice).toMatchObject({ value: { reason: containing("put back") } });
    expect(chooseSandbox("kernel", host({}, { mounts: yes }), false)).toMatchObject({
      value: { reason: notContaining("put back") },
    });
  });
});

describe("a list of allowed hosts", () => {
  it("needs a network of the command's own, so mode kernel has it as root alone; no network can be had everywhere", () => {
    const unprivileged = host({ strict: no("bubblewrap is not installed") }, { bubblewrap: null });

    expect(checkNetwork("allow", "strict", host({}, { landlockAbi: 1 }))).toMatchObject({ ok: true });
    expect(checkNetwork("allow", "kernel", host({}, { mounts: yes, landlockAbi: 1 }))).toMatchObject({ ok: true });
    expect(checkNetwork("none", "kernel", unprivileged)).toMatchObject({ ok: true });
    expect(checkNetwork("allow", "kernel", unprivileged)).toMatchObject({
      ok: false,
      error: { kind: "refused", message: containing("not root"), remedy: containing("Install bubblewrap") },
    });
    expect(checkNetwork("allow", "kernel", host())).toMatchObject({
      error: { remedy: containing("sandbox.mode to strict") },
    });
  });

  it("is refused in mode limits, since nothing would hold a command to it", () => {
    const root = host({}, { mounts: yes });

    expect(checkNetwork("allow", "limits", root)).toMatchObject({
      ok: false,
      error: { message: containing("limits") },
    });
    expect(checkNetwork("none", "limits", root)).toMatchObject({ ok: true });
  });
});
