import { describe, expect, test } from "vitest";
import type { SandboxMode, SandboxSupport } from "#execution";
import { sandboxFindings } from "../../../src/runtime/commands/sandbox-findings.ts";
import { configWith } from "./models/model-config.ts";

const containing = (part: string): unknown => expect.stringContaining(part);
const yes = { available: true } as const;
const no = (reason: string) => ({ available: false, reason }) as const;

/** A host of an ordinary user's whose strongest mode is this. */
function hostWith(strongest: SandboxMode): SandboxSupport {
  const old = no("this kernel has no Landlock");
  return {
    platform: "linux",
    arch: "x64",
    uid: 1000,
    landlockAbi: strongest === "limits" ? 0 : 7,
    landlock: yes,
    seccomp: yes,
    bubblewrap: null,
    bubblewrapRuns: yes,
    mounts: no("not root"),
    modes: {
      strict: strongest === "strict" ? yes : no("bubblewrap is not installed"),
      kernel: strongest === "limits" ? old : yes,
      limits: yes,
    },
  };
}

describe("what doctor says of the sandbox", () => {
  test("is nothing but the mode where all is well", () => {
    expect(sandboxFindings(configWith(), hostWith("strict"))).toMatchObject([{ name: "sandbox", level: "ok" }]);
  });

  test("names the setting where commands are refused", () => {
    expect(sandboxFindings(configWith(), hostWith("limits"))).toMatchObject([
      { name: "sandbox", level: "warn" },
      { name: "commands", level: "warn", remedy: containing("sandbox.allow_unsandboxed = true") },
    ]);
  });

  test("is a failure where an allow-list keeps every attempt from beginning", () => {
    const hosts = { "sandbox.network": "allow" as const, "sandbox.allow_hosts": ["example.org"] };
    const accepted = { ...hosts, "sandbox.allow_unsandboxed": true };
    const fault = { name: "sandbox: network", level: "fail", remedy: containing("sandbox.network = none") };

    const found = [
      sandboxFindings(configWith(accepted), hostWith("limits")),
      sandboxFindings(configWith({ ...accepted, "sandbox.mode": "limits" }), hostWith("strict")),
      sandboxFindings(configWith(hosts), hostWith("kernel")),
    ];

    for (const findings of found) expect(findings).toContainEqual(expect.objectContaining(fault));
    for (const able of [hostWith("strict"), { ...hostWith("kernel"), mounts: yes }])
      expect(sandboxFindings(configWith(hosts), able).map(({ level }) => level)).not.toContain("fail");
  });

  test("is a failure where the mode that is named cannot be had", () => {
    expect(sandboxFindings(configWith({ "sandbox.mode": "strict" }), hostWith("kernel"))).toMatchObject([
      { name: "sandbox", level: "fail", remedy: containing("bubblewrap") },
    ]);
  });
});
