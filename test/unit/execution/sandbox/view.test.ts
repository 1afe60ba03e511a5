import { describe, expect, it } from "vitest";
import { bubblewrapArguments, type StrictView } from "../../../../src/execution/sandbox/bubblewrap-arguments.ts";
import { grantedRights, rulesetAttributes } from "../../../../src/execution/sandbox/landlock-rights.ts";
import { mountPlan } from "../../../../src/execution/sandbox/mount-plan.ts";
import { isWithin } from "../../../../src/execution/sandbox/system-view.ts";
import { signalOfStatus } from "../../../../src/execution/sandbox/wait-status.ts";

const view: StrictView = {
  workspace: "/state/ws",
  readWrite: [],
  readOnly: ["/opt/tool"],
  home: "/state/p/home",
  temporary: "/state/p/tmp",
  guarded: { pinned: ["/state/ws/.git"], readOnly: ["/state/ws/.git/hooks"] },
  cwd: "/",
  asRoot: false,
};

/** Where `option` stands with these operands. */
function position(args: readonly string[], ...wanted: readonly string[]): number {
  return args.findIndex((_, at) => wanted.every((text, offset) => args[at + offset] === text));
}

describe("the arguments of bwrap", () => {
  it("bind the workspace writable, then pin its repository, then make the guarded part read-only", () => {
    const args = bubblewrapArguments(view);
    const order = [
      position(args, "--bind", "/state/ws", "/state/ws"),
      position(args, "--bind", "/state/ws/.git", "/state/ws/.git"),
      position(args, "--ro-bind", "/state/ws/.git/hooks", "/state/ws/.git/hooks"),
      position(args, "--remount-ro", "/"),
    ];

    expect(order.every((at) => at > 0)).toBe(true);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it("let nothing of the host be written but the workspace and the attempt's own folder", () => {
    const args = bubblewrapArguments({ ...view, readWrite: ["/data"] });
    const writable = args.flatMap((one, at) => (one === "--bind" ? [args[at + 1]] : []));

    expect(new Set(writable)).toEqual(
      new Set(["/state/p/tmp", "/state/p/home", "/state/ws", "/data", "/state/ws/.git"]),
    );
  });

  it("make a network of its own, and a user namespace unless bwrap runs as root", () => {
    const asRoot = bubblewrapArguments({ ...view, asRoot: true });

    expect(bubblewrapArguments(view)).toContain("--unshare-net");
    expect(bubblewrapArguments(view)).toContain("--unshare-user");
    expect(asRoot).toContain("--unshare-net");
    expect(asRoot).not.toContain("--unshare-user");
    expect(asRoot).toContain("CAP_SETUID");
  });

  it("keep needed paths below /tmp out of the attempt's own folder", () => {
    const below = bubblewrapArguments({ ...view, workspace: "/tmp/x/ws" });

    expect(position(bubblewrapArguments(view), "--bind", "/state/p/tmp", "/tmp")).toBeGreaterThan(0);
    expect(position(below, "--bind", "/state/p/tmp", "/tmp")).toBe(-1);
    expect(position(below, "--tmpfs", "/tmp")).toBeGreaterThan(0);
    expect(position(below, "--perms", "0755", "--dir", "/tmp/x")).toBeGreaterThan(0);
  });
});

describe("a mount plan", () => {
  const needs = {
    readable: ["/data/in"],
    writable: ["/state/ws", "/state/p/home"],
    hidden: ["/state", "/root"],
    shared: ["/tmp"],
    temporary: "/state/p/tmp",
    pinned: [],
    readOnly: [],
  };

  it("covers what is hidden and shared, and shows again what the command needs of it", () => {
    expect(mountPlan(needs)).toMatchObject({
      covered: [
        { path: "/tmp", by: "/state/p/tmp", writable: true },
        { path: "/root", by: null, writable: false },
        { path: "/state", by: null, writable: false },
      ],
      shown: [
        { path: "/state/ws", writable: true },
        { path: "/state/p/home", writable: true },
      ],
    });
  });

  it("covers nothing that lies in a needed folder, and no shared folder by one that would hold needed paths", () => {
    const plan = mountPlan({ ...needs, readable: [], writable: ["/tmp/ws", "/state"] });

    expect(plan.covered).toEqual([
      { path: "/tmp", by: null, writable: true },
      { path: "/root", by: null, writable: false },
    ]);
    expect(plan.shown).toEqual([{ path: "/tmp/ws", writable: true }]);
  });

  it("shows what is only read as such, and what is written within it on top", () => {
    const readable = ["/tmp/repo/.git", "/tmp/repo/.git/hooks", "/tmp/ws/tool", "/tmp/ws"];
    const writable = ["/tmp/repo/.git/worktrees/one", "/tmp/ws"];

    expect(mountPlan({ ...needs, readable, writable }).shown).toEqual([
      { path: "/tmp/ws", writable: true },
      { path: "/tmp/repo/.git", writable: false },
      { path: "/tmp/repo/.git/worktrees/one", writable: true },
    ]);
  });

  it("tells a folder from one whose name only begins alike", () => {
    expect([isWithin("/a/b", "/a"), isWithin("/a", "/a"), isWithin("/ab", "/a"), isWithin("/a", "/")]).toEqual([
      true,
      true,
      false,
      true,
    ]);
  });
});

describe("the rights of Landlock", () => {
  it("never hold a bit that the ABI does not know, for a folder nor for a file", () => {
    for (const abi of [1, 2, 3, 4, 5, 6, 7, 99]) {
      const { files } = rulesetAttributes(abi);
      for (const access of ["list", "read", "write", "device"] as const) {
        for (const kind of ["folder", "file"] as const) {
          const rights = grantedRights({ access, kind }, abi);
          expect([abi, access, kind, rights & ~files]).toEqual([abi, access, kind, 0]);
        }
      }
    }
  });

  it("take charge of TCP from ABI 4 and of signals from 6", () => {
    expect([3, 4, 5, 6].map((abi) => rulesetAttributes(abi))).toMatchObject([
      { network: 0, scoped: 0, bytes: 8 },
      { network: 3, scoped: 0, bytes: 16 },
      { network: 3, scoped: 0, bytes: 16 },
      { network: 3, scoped: 3, bytes: 24 },
    ]);
  });

  it("let nobody make a device, and nobody write what is granted to read", () => {
    const devices = (1 << 6) | (1 << 11);
    const writing = (1 << 1) | (1 << 5) | (1 << 8) | (1 << 14);

    expect(grantedRights({ access: "write", kind: "folder" }, 7) & devices).toBe(0);
    expect(grantedRights({ access: "read", kind: "folder" }, 7) & writing).toBe(0);
    expect(grantedRights({ access: "list", kind: "folder" }, 7)).toBe(1 << 3);
  });
});

describe("an exit code from bwrap", () => {
  it("is the signal that ended the command above 128, and itself below", () => {
    expect(signalOfStatus({ exitCode: 137, signal: null })).toEqual({ exitCode: null, signal: "SIGKILL" });
    expect(signalOfStatus({ exitCode: 126, signal: null })).toEqual({ exitCode: 126, signal: null });
    expect(signalOfStatus({ exitCode: 200, signal: null })).toEqual({ exitCode: 200, signal: null });
    expect(signalOfStatus({ exitCode: null, signal: "SIGKILL" })).toEqual({ exitCode: null, signal: "SIGKILL" });
  });
});
