import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { err, ok, retryable } from "#base";
import { identify, isAlive, variableOf } from "#watchdog";
import { startChild } from "../../../src/watchdog/io/supervised-child.ts";
import { realClock } from "../../support/real-clock.ts";
import { supervisedWorlds } from "../../support/supervised-world.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const folder = temporaryFolders();
/** Well beyond the quarter of a second from which on a watchdog takes it that it stood still. */
const STOOD_STILL_MS = 600;
const supervised = supervisedWorlds();

const pidIn = (path: string): number | undefined => {
  try {
    const pid = Number(readFileSync(path, "latin1"));
    return pid > 0 ? pid : undefined;
  } catch {
    return undefined; // not written yet
  }
};

describe("a supervisor", () => {
  it("says with its reason that a program is not there, and holds once the budget is used up", async () => {
    const { supervisor, faults } = supervised(["/no/such/program"], {
      policy: { budget: { restarts: 2, withinMs: 60_000 } },
    });

    supervisor.start();
    await waitUntil("the budget is used up", () => supervisor.snapshot().phase === "held");

    expect(faults.map(({ kind }) => kind)).toEqual(["notStarted", "notStarted", "notStarted"]);
    expect(faults[0]?.reason).toContain("/no/such/program");
    expect(supervisor.identity).toBeUndefined();
  });

  it("starts a held process again when a person releases it", async () => {
    const path = join(folder(), "works");
    const { supervisor } = supervised(["sh", "-c", `test -e ${path} && exec sleep 1000`], {
      policy: { budget: { restarts: 1, withinMs: 60_000 }, backoff: { firstMs: 1, maxMs: 2, healthyAfterMs: 60_000 } },
    });
    supervisor.start();
    await waitUntil("the budget is used up", () => supervisor.snapshot().phase === "held");

    writeFileSync(path, "");
    supervisor.release();

    expect(supervisor.snapshot()).toMatchObject({ phase: "running", fault: { kind: "exit", generation: 2 } });
  });

  it("W9: goes on probing after it stood still itself when a probe was due", async () => {
    let probes = 0;
    const probe = () => {
      probes += 1;
      return Promise.resolve(ok(undefined));
    };
    const { supervisor, faults } = supervised(["sleep", "1000"], { probe });
    supervisor.start();
    await waitUntil("it was probed as one that runs", () => probes > 1);

    Bun.sleepSync(STOOD_STILL_MS);
    const before = probes;

    await waitUntil("it is probed again and again", () => probes > before + 2);
    expect(supervisor.snapshot().phase).toBe("running");
    expect(faults).toEqual([]);
  });

  it("takes a process for ready when its probe first passes, and restarts it when probes fail", async () => {
    let isWell = false;
    let asked = 0;
    const probe = () => {
      asked += 1;
      return Promise.resolve(isWell ? ok(undefined) : err(retryable("unavailable", "it answers 503")));
    };
    const { supervisor, faults } = supervised(["sleep", "1000"], { probe });
    supervisor.start();
    await waitUntil("it is asked twice", () => asked >= 2);
    expect(supervisor.snapshot().phase).toBe("starting");

    isWell = true;
    expect(await supervisor.untilReady(5_000)).toEqual(ok(undefined));
    isWell = false;
    await waitUntil("it is started again", () => supervisor.snapshot().generation === 2);

    expect(faults).toMatchObject([{ kind: "probe", reason: "2 probes failed, the last one because it answers 503" }]);
  });

  it("tells who waits for readiness why there is none", async () => {
    const { supervisor } = supervised(["sh", "-c", "exit 7"], { usesHeartbeat: true });

    supervisor.start();

    expect(await supervisor.untilReady(5_000)).toMatchObject({
      ok: false,
      error: { message: "example is not ready: it ended with exit code 7" },
    });
  });

  it("ends what ignores SIGTERM, and grandchildren in sessions of their own, and spares what it is told to", async () => {
    const dir = folder();
    const script = `trap '' TERM
      setsid sh -c 'echo $$ > ${dir}/hidden; exec sleep 1000' &
      SPARED=yes setsid sh -c 'echo $$ > ${dir}/spared; exec sleep 1000' &
      while :; do sleep 0.05; done`;
    const { supervisor, faults } = supervised(["sh", "-c", script], {
      spares: (entry) => variableOf(entry.pid, "SPARED") === "yes",
    });
    supervisor.start();
    const leader = supervisor.identity;
    const hidden = await waitUntil("one hides", () => pidIn(join(dir, "hidden")));
    const spared = await waitUntil("one is to be spared", () => pidIn(join(dir, "spared")));
    await waitUntil("both have become sleep", () =>
      [hidden, spared].every((pid) => readFileSync(`/proc/${pid}/comm`, "latin1").startsWith("sleep")),
    );

    await supervisor.stop({ graceMs: 100 });

    const left = [leader?.pid ?? 0, hidden, spared].map((pid) => identify(pid) !== undefined);
    process.kill(spared, "SIGKILL");
    expect(left).toEqual([false, false, true]);
    expect(faults).toEqual([]);
    expect(supervisor.snapshot().phase).toBe("ended");
  });

  it("lets a process end by itself when it was asked in another way, and starts it again when told", async () => {
    const path = join(folder(), "asked");
    Bun.spawnSync(["mkfifo", path]);
    const script = `echo up; trap 'echo term' TERM; read line < ${path}; echo $line`;
    const { supervisor, output, faults } = supervised(["sh", "-c", script]);
    supervisor.start();
    await waitUntil("it is up", () => output.text.includes("up"));

    await supervisor.stop({ ask: () => writeFileSync(path, "asked\n"), graceMs: 5_000 });

    expect(output.text).toBe("up\nasked\n");
    expect(faults).toEqual([]);
    supervisor.start();
    expect(supervisor.snapshot()).toMatchObject({ phase: "running", generation: 2 });
  });

  it("is restarted without a fault or a delay when asked", async () => {
    const { supervisor, faults } = supervised(["sleep", "1000"], {
      policy: { backoff: { firstMs: 60_000, maxMs: 60_000, healthyAfterMs: 60_000 } },
    });
    supervisor.start();
    const first = supervisor.identity;

    supervisor.restart("a test wants it");
    expect(await supervisor.untilReady(5_000)).toEqual(ok(undefined));

    expect(supervisor.snapshot().generation).toBe(2);
    expect(supervisor.identity?.pid).not.toBe(first?.pid);
    expect(faults).toEqual([]);
  });

  it("gives a process its descriptors from 3 on, and no other", async () => {
    const dir = folder();
    writeFileSync(join(dir, "given"), "");
    const given = openSync(join(dir, "given"), "r");
    const kept = openSync(join(dir, "given"), "r");
    const { supervisor } = supervised(["sleep", "1000"], { descriptors: [given] });

    supervisor.start();
    const pid = supervisor.identity?.pid ?? 0;
    await waitUntil("it has become sleep", () => readFileSync(`/proc/${pid}/comm`, "latin1").startsWith("sleep"));

    const held = readdirSync(`/proc/${pid}/fd`).toSorted();
    expect(held).toEqual(["0", "1", "2", "3"]);
    expect(readlinkSync(`/proc/${pid}/fd/3`)).toBe(join(dir, "given"));
    closeSync(given);
    closeSync(kept);
  });

  it("takes over a process of an earlier watchdog with its output, and sees it end", async () => {
    const path = join(folder(), "more");
    Bun.spawnSync(["mkfifo", path]);
    // Started as by an earlier watchdog, which then no longer reads.
    const earlier = startChild(
      {
        command: ["sh", "-c", `read line < ${path}; echo $line; exec sleep 1000`],
        env: { PATH: process.env["PATH"] ?? "" },
        descriptors: [],
        spares: () => false,
      },
      "example:earlier",
      { accept: () => undefined },
      realClock,
    );
    if (!earlier.ok) throw new Error(earlier.error.message);
    await earlier.value.close();
    const { supervisor, output, faults } = supervised(["sleep", "1000"]);

    supervisor.adopt(earlier.value.identity);
    writeFileSync(path, "still here\n");
    await waitUntil("its output is read on", () => output.text === "still here\n");
    expect(supervisor.snapshot()).toMatchObject({ phase: "running", pid: earlier.value.identity.pid });
    process.kill(earlier.value.identity.pid, "SIGKILL");
    await waitUntil("another one is started", () => supervisor.snapshot().generation === 2);

    expect(isAlive(earlier.value.identity)).toBe(false);
    expect(faults).toHaveLength(1);
  });
});
