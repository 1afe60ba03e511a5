/** What doctor concludes from facts that a test cannot bring about on the machine it runs on. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type ClockFacts, clockFindings, EARLIEST_NOW_MS, lookAtClock } from "../../../src/runtime/diagnosis/clock.ts";
import { gpuFindings } from "../../../src/runtime/diagnosis/gpu.ts";
import { libgccFindings, lookForLibgcc } from "../../../src/runtime/diagnosis/libgcc.ts";
import { mountOf, parseMounts, unpackFindings } from "../../../src/runtime/diagnosis/mounts.ts";
import { isInTheWay, type PortFacts, portFindings } from "../../../src/runtime/diagnosis/port.ts";
import { parseFileLocks, parseListeners } from "../../../src/runtime/diagnosis/proc.ts";
import { type ReleaseFacts, releaseFindings } from "../../../src/runtime/diagnosis/releases.ts";
import { type StateFolderFacts, stateFolderFindings } from "../../../src/runtime/diagnosis/state-folder.ts";
import { lookAtUnits, unitFindings } from "../../../src/runtime/diagnosis/unit.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const DAY_MS = 24 * 3_600_000;
const NOW_MS = EARLIEST_NOW_MS + 100 * DAY_MS;
const containing = (part: string): unknown => expect.stringContaining(part);

describe("of the state folder", () => {
  const well: StateFolderFacts = {
    dir: "/state",
    place: "/state",
    isFolder: true,
    isReadable: true,
    isWritable: true,
    owner: 1_000,
    user: 1_000,
    freeBytes: 10 * 1024 ** 3,
  };

  it.each<[string, Partial<StateFolderFacts>, string, string]>([
    ["all is well", {}, "ok", "MiB free"],
    ["it is another user's", { owner: 0, isWritable: false }, "fail", "belongs to user 0"],
    ["it is another user's, for root", { user: 0 }, "warn", "belongs to user 1000"],
    ["only the folder above it is another user's", { place: "/", owner: 0 }, "ok", "MiB free"],
    ["it cannot be written", { isWritable: false }, "fail", "cannot be written"],
    ["there is little room", { freeBytes: 500 * 1024 ** 2 }, "warn", "only 500 MiB"],
    ["there is no room", { freeBytes: 1024 }, "fail", "only 0 MiB"],
  ])("when %s", (_what, changed, level, says) => {
    expect(stateFolderFindings({ ...well, ...changed })).toMatchObject([{ level, detail: containing(says) }]);
  });
});

describe("of the port", () => {
  const free: PortFacts = {
    host: "127.0.0.1",
    port: 7_433,
    isRoot: false,
    firstFreePort: 1_024,
    listeners: [],
    own: [],
  };
  const listener = { uid: 33, holders: [{ pid: 9, name: "nginx" }] };

  it.each<[string, Partial<PortFacts>, string, string]>([
    ["it is free", {}, "ok", "is free"],
    ["another program has it", { listeners: [listener] }, "fail", "nginx (process 9) listens"],
    ["drover has it", { listeners: [listener], own: [9] }, "ok", "drover's"],
    ["a hidden program has it", { listeners: [{ uid: 33, holders: [] }] }, "fail", "a program of user 33"],
    [
      "a hidden program has it while drover runs",
      { listeners: [{ uid: 33, holders: [] }], own: [9] },
      "ok",
      "should be it",
    ],
    ["it is root's", { port: 80 }, "fail", "ports below 1024 are root's"],
    ["it is root's, for root", { port: 80, isRoot: true }, "ok", "is free"],
    ["nothing can be seen", { listeners: null }, "ok", "cannot be seen"],
  ])("when %s", (_what, changed, level, says) => {
    expect(portFindings({ ...free, ...changed })).toMatchObject([{ level, detail: containing(says) }]);
  });

  it.each<[string, string, boolean]>([
    ["0100007F:1D09", "127.0.0.1", true],
    ["0100007F:1D09", "localhost", true],
    ["00000000:1D09", "127.0.0.1", true],
    ["0200007F:1D09", "127.0.0.1", false],
    ["0100007F:1D0A", "127.0.0.1", false],
    ["0100007F:1D09", "0.0.0.0", true],
    ["00000000000000000000000001000000:1D09", "::1", true],
    ["00000000000000000000000001000000:1D09", "127.0.0.1", false],
    ["0000000000000000FFFF00000100007F:1D09", "127.0.0.1", true],
    ["00000000000000000000000000000000:1D09", "127.0.0.1", true],
  ])("%s of the kernel is in the way of %s: %s", (address, host, expected) => {
    const table = `head\n   0: ${address} 00000000:0000 0A 00000000:00000000 00:00000000 00000000   33        0 4242 1 x\n`;

    const [found] = parseListeners(table);

    expect(found).toMatchObject({ uid: 33, inode: "4242" });
    expect(found !== undefined && isInTheWay(found, host, 7_433)).toBe(expected);
  });

  it("connections that only pass through it are not in the way", () => {
    expect(parseListeners("head\n 0: 0100007F:1D09 0100007F:9999 01 0:0 0:0 0 33 0 4242\n")).toEqual([]);
  });
});

it("locks are told by flock and inode", () => {
  const table = "1: POSIX  ADVISORY  WRITE 5 08:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 6 00:1f:78 0 EOF\n";

  expect(parseFileLocks(table)).toEqual([{ pid: 6, inode: "78" }]);
});

describe("of the clock", () => {
  const right: ClockFacts = { nowMs: NOW_MS, newest: null, started: null, isSynchronised: null };

  it.each<[string, Partial<ClockFacts>, string, string]>([
    ["nothing speaks against it", {}, "ok", ""],
    ["it is before this release", { nowMs: 0 }, "fail", "before this release was made"],
    ["a file is newer", { newest: { name: "a", atMs: NOW_MS + DAY_MS } }, "warn", "a was written at"],
    ["a file is newer by seconds", { newest: { name: "a", atMs: NOW_MS + 5_000 } }, "ok", ""],
    ["it was set back", { started: { atMs: NOW_MS, agoMs: DAY_MS } }, "warn", "set back by 86400 s"],
    ["it was set forward", { started: { atMs: NOW_MS - 2 * DAY_MS, agoMs: DAY_MS } }, "warn", "set forward"],
    ["drover runs long", { started: { atMs: NOW_MS - DAY_MS, agoMs: DAY_MS } }, "ok", ""],
    ["it is not synchronised", { isSynchronised: false }, "warn", "systemd-timesyncd"],
  ])("when %s", (_what, changed, level, says) => {
    expect(clockFindings({ ...right, ...changed })).toMatchObject([{ level, detail: containing(says) }]);
  });

  it("timesyncd says by a file whether it is synchronised", () => {
    const timesync = folder();
    const look = (): boolean | null => lookAtClock("/nowhere", NOW_MS, undefined, timesync).isSynchronised;

    const before = look();
    writeFileSync(join(timesync, "synchronized"), "");

    expect([before, look()]).toEqual([false, true]);
    expect(lookAtClock("/nowhere", NOW_MS, undefined, "/nowhere").isSynchronised).toBeNull();
  });
});

describe("of what is needed to open the databases", () => {
  it("libgcc is missed where no folder, cache or path has it", () => {
    const root = folder();
    const other = folder();
    const look = (env = {}) => libgccFindings(lookForLibgcc(root, env))[0]?.level;

    const without = look();
    writeFileSync(join(other, "libgcc_s.so.1"), "");
    const byPath = look({ LD_LIBRARY_PATH: other });
    mkdirSync(join(root, "etc"));
    writeFileSync(join(root, "etc/ld.so.cache"), "x\0libgcc_s.so.1\0/opt/libgcc_s.so.1\0");

    expect([without, byPath, look()]).toEqual(["fail", "ok", "ok"]);
  });

  it.each([
    ["node", "fail", "the node cannot start"],
    ["other", "warn", "drover run fails"],
  ] as const)("a noexec mount under the place of %s is named", (kind, level, says) => {
    const path = folder();
    const mounts = parseMounts(`none / ext4 rw 0 0\nnone ${path} tmpfs rw,noexec 0 0\n`);

    const found = unpackFindings([{ kind, path, mount: mountOf(join(path, "not", "there"), mounts) }]);

    expect(found).toMatchObject([{ level, detail: containing(says) }]);
  });

  it("the last mount on the longest point counts, and blanks are read", () => {
    const path = join(folder(), "a b");
    mkdirSync(path);
    const point = path.replace(" ", "\\040");
    const mounts = parseMounts(`n / ext4 rw,noexec 0 0\nn ${point} tmpfs rw,noexec 0 0\nn ${point} tmpfs rw 0 0\n`);

    expect(mountOf(path, mounts)?.options).toEqual(["rw"]);
    expect(mountOf(`${path}-other`, mounts)?.point).toBe("/");
  });
});

describe("of signature keys", () => {
  const current = { version: "1.0.0", isThere: true, expiresAtMs: NOW_MS + DAY_MS, certificateExpiresAtMs: null };
  const well: ReleaseFacts = {
    roots: { kind: "known", count: 1 },
    current,
    journal: null,
    last: null,
    isWatched: true,
    nowMs: NOW_MS,
  };

  it.each<[string, Partial<ReleaseFacts>, string, string]>([
    ["all is well", {}, "ok", "1 known"],
    ["there is none", { roots: { kind: "known", count: 0 } }, "warn", "no root is compiled in"],
    [
      "the certificate ends soon",
      { current: { ...current, certificateExpiresAtMs: NOW_MS + 20 * DAY_MS } },
      "warn",
      "certificate",
    ],
    ["the certificate lasts", { current: { ...current, certificateExpiresAtMs: NOW_MS + 40 * DAY_MS } }, "ok", ""],
    ["the manifest expired", { current: { ...current, expiresAtMs: NOW_MS - 1 } }, "warn", "expired on"],
  ])("when %s", (_what, changed, level, says) => {
    expect(releaseFindings({ ...well, ...changed })[0]).toMatchObject({
      name: "signature keys",
      level,
      detail: containing(says),
    });
  });
});

describe("of graphics cards", () => {
  it.each([
    [{ kind: "silent" }, "warn", "no answer within 10 s"],
    [{ kind: "failed", note: "nvidia-smi: no devices" }, "warn", "no devices"],
    [{ kind: "absent" }, "ok", "none is known"],
  ] as const)("%j is %s", (answer, level, says) => {
    expect(gpuFindings([{ source: "nvidia-smi", answer }])).toMatchObject([{ level, detail: containing(says) }]);
  });
});

describe("of the systemd unit", () => {
  type World = { readonly root: string; readonly unit: string; readonly program: string };

  function world(): World {
    const root = folder();
    for (const name of ["run", "system/multi-user.target.wants", "user"])
      mkdirSync(join(root, name), { recursive: true });
    const [unit, program] = [join(root, "system/drover.service"), join(root, "drover")];
    writeFileSync(program, "#!/bin/sh\n");
    chmodSync(program, 0o755);
    writeFileSync(unit, `[Service]\nExecStart=${program} up\nEnvironment=DROVER_STATE=/state\n`);
    symlinkSync(unit, join(root, "system/multi-user.target.wants/drover.service"));
    return { root, unit, program };
  }

  const findings = ({ root, program }: World, executable: string | null = program) =>
    unitFindings(
      lookAtUnits(
        { runtime: join(root, "run"), system: join(root, "system"), user: join(root, "user"), linger: null },
        executable,
        "/state",
      ),
    );

  it("nothing is wrong as install.sh leaves it, also when a later release runs", () => {
    const made = world();

    expect(findings(made)).toMatchObject([{ level: "ok" }]);
    expect(findings(made, "/state/releases/2.0.0/drover")).toMatchObject([{ level: "ok" }]);
  });

  it.each<[string, string, string, string]>([
    ["starts what is not there", "ExecStart=/nowhere/drover up\n", "fail", "/nowhere/drover, which is no program"],
    ["starts nothing", "[Service]\n", "fail", "has no ExecStart"],
    ["forbids the JIT", "MemoryDenyWriteExecute=yes\n", "fail", "MemoryDenyWriteExecute"],
    ["has another state folder", "Environment=DROVER_STATE=/other\n", "warn", "/other"],
  ])("that %s is named", (_what, text, level, says) => {
    const made = world();
    const isWhole = text.startsWith("ExecStart") || text.startsWith("[Service]");
    writeFileSync(made.unit, isWhole ? text : `ExecStart=${made.program} up\n${text}`);

    expect(findings(made)).toMatchObject([{ level, detail: containing(says) }]);
  });

  it("a drop-in counts", () => {
    const made = world();
    mkdirSync(`${made.unit}.d`);
    writeFileSync(join(`${made.unit}.d`, "override.conf"), "[Service]\nMemoryDenyWriteExecute=yes\n");

    expect(findings(made)).toMatchObject([{ level: "fail", detail: containing("drop-in") }]);
  });

  it("another executable than the installed one, and a unit that is not enabled, are named", () => {
    const made = world();
    const away = { ...made, root: folder() };
    mkdirSync(join(away.root, "run"));
    mkdirSync(join(away.root, "system"));
    writeFileSync(join(away.root, "system/drover.service"), `ExecStart=${made.program} up\n`);

    expect(findings(made, "/opt/mine/drover")).toMatchObject([
      { level: "warn", detail: containing("/opt/mine/drover") },
    ]);
    expect(findings(away)).toMatchObject([{ level: "warn", remedy: "systemctl enable drover.service" }]);
  });

  it("no systemd is said, and is no fault", () => {
    const none = { runtime: "/nowhere", system: "/nowhere", user: null, linger: null };

    expect(unitFindings(lookAtUnits(none, null, "/state"))).toMatchObject([
      { level: "ok", detail: containing("systemd does not run here") },
    ]);
  });
});
