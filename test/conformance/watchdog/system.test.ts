/** What the watchdog asks of the system beside processes: the lock, the service manager, counts of the kernel, probes. */
import { dlopen, ptr } from "bun:ffi";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ok } from "#base";
import { type ProbeConfig, runProbe, serviceManager, takeInstanceLock } from "#watchdog";
import { oomKills, RecentOomKills } from "../../../src/watchdog/io/oom-kills.ts";
import { parseStat } from "../../../src/watchdog/io/process-table.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const folder = temporaryFolders();
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

describe("the lock of a state folder", () => {
  it("has one owner, whose pid is told to whoever is refused, and is free again when that one releases it", () => {
    const path = join(folder(), "watchdog.lock");
    const first = takeInstanceLock(path);
    if (!first.ok) throw new Error(first.error.message);

    expect(takeInstanceLock(path)).toMatchObject({
      ok: false,
      error: { kind: "refused", code: "in_use", message: expect.stringContaining(`(pid ${process.pid})`) as unknown },
    });
    first.value.release();
    const second = takeInstanceLock(path);

    expect(second.ok).toBe(true);
    if (second.ok) second.value.release();
  });

  it("is not inherited: a child that outlives its owner does not hold it", async () => {
    const path = join(folder(), "watchdog.lock");
    const source = join(import.meta.dirname, "../../../src/watchdog/io/instance-lock.ts");
    const script = `const { takeInstanceLock } = await import(${JSON.stringify(source)});
      if (!takeInstanceLock(${JSON.stringify(path)}).ok) process.exit(1);
      const child = Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore"], detached: true });
      console.log(child.pid);
      process.kill(process.pid, "SIGKILL");`;
    const owner = Bun.spawn([process.execPath, "-e", script], {
      cwd: join(import.meta.dirname, "../../.."),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const orphan = Number(await owner.stdout.text());
    await owner.exited;
    // Until execve it has the descriptors of its parent.
    await waitUntil("it is sleep", () => readFileSync(`/proc/${orphan}/comm`, "latin1").startsWith("sleep"));

    const taken = takeInstanceLock(path);
    process.kill(orphan, "SIGKILL");

    expect(orphan).toBeGreaterThan(0);
    expect(taken.ok).toBe(true);
    if (taken.ok) taken.value.release();
  });
});

describe("the service manager", () => {
  it.each([
    ["a path", (): string => join(folder(), "notify")],
    ["an abstract name", (): string => `@drover-test-${process.pid}`],
  ])("is told over %s", (_, name) => {
    const path = name();
    const receive = datagrams(path);
    const manager = serviceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "20000000" });

    manager.ready();
    manager.alive();
    manager.status("safe mode:\nno release runs");
    manager.reloading();
    manager.stopping();

    expect([receive(), receive(), receive()]).toEqual(["READY=1", "WATCHDOG=1", "STATUS=safe mode: no release runs"]);
    expect(receive()).toMatch(/^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$/);
    expect(receive()).toBe("STOPPING=1");
    expect(manager.aliveWithinMs).toBe(20_000);
  });

  it("may be absent, may watch another process, and may be gone", () => {
    expect(serviceManager({}).aliveWithinMs).toBeNull();
    serviceManager({}).ready();
    const other = { NOTIFY_SOCKET: "/no/such/socket", WATCHDOG_USEC: "20000000", WATCHDOG_PID: "1" };
    expect(serviceManager(other).aliveWithinMs).toBeNull();
    serviceManager(other).ready();
  });
});

describe("ends for want of memory", () => {
  const tree = (files: Readonly<Record<string, string>>): string => {
    const root = `${folder()}/`;
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  };

  it.each([
    [
      "of the group, with cgroup v2",
      {
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/b/memory.events": "oom 4\noom_kill 3\n",
        "proc/vmstat": "oom_kill 9\n",
      },
      3,
    ],
    [
      "of the group, with cgroup v1",
      {
        "proc/self/cgroup": "4:cpu,memory:/x\n0::/\n",
        "sys/fs/cgroup/memory/x/memory.oom_control": "under_oom 0\noom_kill 2\n",
      },
      2,
    ],
    [
      "of a container that sees its own group as the root",
      { "proc/self/cgroup": "4:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.oom_control": "oom_kill 5\n" },
      5,
    ],
    ["of the host, in the root group", { "proc/self/cgroup": "0::/\n", "proc/vmstat": "pgfault 1\noom_kill 7\n" }, 7],
    ["nowhere", {}, undefined],
  ])("are counted: %s", (_, files, expected) => {
    expect(oomKills(tree(files))).toBe(expected);
  });

  it.each([
    ["one before the start", [4, 4, 4, 4], false],
    ["one at the end, whose news came at once", [4, 4, 4, 5], true],
    ["one at the end, between which and its news there was a look", [4, 4, 5, 5], true],
    ["one of another process, long before", [4, 5, 5, 5], false],
    ["where nobody counts", [undefined, undefined, undefined, undefined], false],
  ])("are blamed for an end: %s", (_what, counts, isRisen) => {
    // At the start, at two looks, and at the end.
    const left = [...counts];
    const recent = new RecentOomKills(() => left.shift());
    recent.look();
    recent.look();

    expect(recent.isRisen).toBe(isRisen);
  });

  it("are counted on this machine", () => {
    expect(oomKills()).toBeGreaterThanOrEqual(0);
  });
});

describe("a line of the process table", () => {
  it("is read although the name of the program holds parentheses and spaces", () => {
    const fields = `S 7 8 9 ${"0 ".repeat(15)}4711 0`;

    expect(parseStat(`42 (a) b (c)) ${fields}`)).toEqual({
      pid: 42,
      parent: 7,
      group: 8,
      session: 9,
      isZombie: false,
      startTicks: "4711",
    });
    expect(parseStat(`42 (x) Z${fields.slice(1)}`)?.isZombie).toBe(true);
    expect(parseStat("")).toBeUndefined();
    expect(parseStat(readFileSync("/proc/self/stat", "latin1"))?.pid).toBe(process.pid);
  });
});

describe("a probe", () => {
  const answer = (probe: ProbeConfig): Promise<unknown> => runProbe(probe, { PATH: process.env["PATH"] ?? "" });
  const failure = (message: string): object => ({
    ok: false,
    error: { message: expect.stringContaining(message) as unknown },
  });

  it("over HTTP passes with a status of success alone", async () => {
    let status = 200;
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("", { status }) });
    opened.push(() => void server.stop(true));
    const url = server.url.href;

    expect(await answer({ kind: "http", url })).toEqual(ok(undefined));
    status = 503;
    expect(await answer({ kind: "http", url })).toMatchObject(failure(`GET ${url} answered 503`));
    await server.stop(true);
    expect(await answer({ kind: "http", url })).toMatchObject(failure(`GET ${url} failed`));
  });

  it("over TCP passes when somebody listens", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;

    expect(await answer({ kind: "tcp", host: "127.0.0.1", port })).toEqual(ok(undefined));
    await new Promise((resolve) => server.close(resolve));
    expect(await answer({ kind: "tcp", host: "127.0.0.1", port })).toMatchObject(failure("refuses connections"));
  });

  it("by command passes with exit code 0", async () => {
    expect(await answer({ kind: "command", command: ["true"] })).toEqual(ok(undefined));
    expect(await answer({ kind: "command", command: ["sh", "-c", "exit 3"] })).toMatchObject(failure("ended with 3"));
    expect(await answer({ kind: "command", command: ["/no/such"] })).toMatchObject(failure("could not be started"));
  });
});

/** Binds a datagram socket, which Bun does not offer. @returns a function that takes the next datagram, waiting for it. */
function datagrams(path: string): () => string {
  const { symbols } = dlopen("libc.so.6", {
    socket: { args: ["i32", "i32", "i32"], returns: "i32" },
    bind: { args: ["i32", "ptr", "u32"], returns: "i32" },
    recv: { args: ["i32", "ptr", "u64", "i32"], returns: "i64" },
    close: { args: ["i32"], returns: "i32" },
  });
  const socket = symbols.socket(1, 2, 0);
  const name = path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`;
  const address = Buffer.concat([Buffer.from([1, 0]), Buffer.from(name)]);
  if (symbols.bind(socket, ptr(address), address.length) !== 0) throw new Error(`bind ${path}`);
  opened.push(() => void symbols.close(socket));
  const buffer = Buffer.alloc(4_096);
  const doNotWait = 0x40; // What was sent is there already: a missing datagram is a failure, not a hang.
  return () =>
    buffer.toString("utf8", 0, Math.max(0, Number(symbols.recv(socket, ptr(buffer), buffer.length, doNotWait))));
}
