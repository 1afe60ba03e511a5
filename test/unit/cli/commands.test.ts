import { describe, expect, it } from "vitest";
import { err, ok, refused } from "#base";
import { processEnvironment, runCli } from "#cli";
import { waitUntil } from "../../support/wait-until.ts";
import { submit, TOKEN } from "../api/api-harness.ts";
import { containing, createCli, itemsOf, parsed } from "./cli-harness.ts";

describe("status", () => {
  it("shows node, queue, running work and dead letters on one screen", async () => {
    const cli = createCli({ columns: 100, env: { NO_COLOR: "1" } });
    await submit(cli.harness, { title: "break", maxAttempts: 1 });
    await cli.harness.work({ outcome: "failed", error: "the command exited with code 1" });
    await submit(cli.harness, { title: "run the tests", lane: "high" });
    await cli.harness.claim();
    await submit(cli.harness, { title: "next" });
    cli.harness.clock.advance(125_000);

    const outcome = await cli.run("status");

    expect(outcome.exit).toBe(0);
    // What this process uses of memory is not the same twice.
    expect(outcome.stdout.replace(/\d+\.\d MiB/, "64.0 MiB")).toMatchInlineSnapshot(`
      "box is ready
        version    1.2.3 (0123abc)
        up         2 m 5 s, process 42
        state      /state
        executors  shell
        memory     64.0 MiB
        storage    3 B, 3 B free
        watchdog   none: nothing starts this node again
        mind       resting for 2 m 5 s

      LANE    WAITING  READY  RUNNING  DONE  DEAD  CANCELLED  NEXT WAITS
      ──────  ───────  ─────  ───────  ────  ────  ─────────  ──────────
      high          0      0        1     0     0          0           -
      normal        0      1        0     0     1          0     2 m 5 s
      all           0      1        1     0     1          0     2 m 5 s

      Running: 1
      ID                                FOR  TITLE          PROGRESS
      ────────────────────────────  ───────  ─────────────  ─────────
      t_01hf7yat00e0br7xs0vxvnp1cn  2 m 5 s  run the tests  attempt 1

      Dead letters: 1
      ID                            LANE    TRIES  DIED  TITLE  REASON
      ────────────────────────────  ──────  ─────  ────  ─────  ──────────────────────────────────────────
      t_01hf7yat00e0br7xs0ey2qtvz7  normal      1   2 m  break  its only attempt failed; the last: the co…
      "
    `);
    expect(outcome.stderr).toMatchInlineSnapshot(`
      "next: see why a task died with: drover dead show t_01hf7yat00e0br7xs0ey2qtvz7
      "
    `);
  });

  it("of a node that is not ready says why and ends with 4", async () => {
    const cli = createCli({ ports: { readiness: () => [{ name: "store", ok: false, detail: "the disk is full" }] } });

    const outcome = await cli.run("status");
    const json = await cli.run("status", "--json");

    expect(outcome.exit).toBe(4);
    expect(outcome.stdout).toContain("box is not ready\n  store: the disk is full\n");
    expect(json.exit).toBe(4);
    expect(parsed(json.stdout)).toMatchObject({
      node: { ready: false },
      queue: { paused: false },
      running: [],
      dead: [],
    });
  });
});

describe("queue and keys", () => {
  it("are shown, paused, resumed and drained", async () => {
    const cli = createCli();
    await submit(cli.harness, { title: "one", concurrencyKey: "customer" });

    expect((await cli.run("queue", "pause")).stdout).toBe("The queue is paused; what runs goes on.\n");
    expect((await cli.run("queue", "pause", "--json")).stdout).toBe('{\n  "paused": true,\n  "changed": false\n}\n');
    expect((await cli.run("queue")).stdout).toMatchInlineSnapshot(`
      "The queue is paused: nothing is started.
      LANE        WAITING  READY  RUNNING  DONE  DEAD  CANCELLED  NEXT WAITS
      critical          0      0        0     0     0          0           -
      high              0      0        0     0     0          0           -
      normal            0      1        0     0     0          0        0 ms
      low               0      0        0     0     0          0           -
      background        0      0        0     0     0          0           -
      all               0      1        0     0     0          0        0 ms
      The oldest ready task has waited 0 ms.

      KEY       RUNNING  NEXT  AT ONCE  PER SECOND  BURST  WEIGHT  PAUSED
      customer        0     1        -           -      1       1  -
      "
    `);
    expect((await cli.run("queue", "drain")).stdout).toBe("The queue is paused and nothing runs.\n");
    expect((await cli.run("queue", "resume")).stdout).toBe("Tasks are started again.\n");
  });

  it("drain gives up with 5 while something runs", async () => {
    const taskId = createCli().harness.ids.task();
    const running = { taskId, attempt: 1, executor: "shell", startedAtMs: 0, pid: 1 };
    const cli = createCli({ ports: { workers: () => [running] } });

    const { done, seen } = cli.start("queue", "drain", "--timeout", "1s");
    await waitUntil("it waits", () => seen.stderr().includes("waiting for 1 attempt to end"));
    let exit: number | undefined;
    void done.then((outcome) => {
      exit = outcome.exit;
    });
    await waitUntil("it ends", () => {
      cli.harness.clock.advance(500);
      return exit !== undefined;
    });

    expect(exit).toBe(5);
  });

  it("key set changes what is named and keeps the rest", async () => {
    const cli = createCli();

    await cli.run("key", "set", "deploy", "--max-concurrent", "2", "--weight", "3");
    await cli.run("key", "set", "deploy", "--rate", "0.5", "--pause");
    await cli.run("key", "set", "deploy", "--max-concurrent", "none");

    expect((await cli.run("key", "list")).stdout).toMatchInlineSnapshot(`
      "KEY     RUNNING  NEXT  AT ONCE  PER SECOND  BURST  WEIGHT  PAUSED
      deploy        0     0        -         0.5      1       3  paused
      "
    `);
    expect((await cli.run("key", "set", "deploy", "--resume")).stdout).not.toContain("paused");
    expect((await cli.run("key", "set", "deploy")).exit).toBe(2);
    expect((await cli.run("key", "set", "deploy", "--pause", "--resume")).exit).toBe(2);
    expect((await cli.run("key", "set", "deploy", "--max-concurrent", "1.5")).exit).toBe(2);
  });
});

describe("schedules", () => {
  it("are added, listed and removed", async () => {
    const cli = createCli({ files: { "job.yaml": "title: from a file\ncommand: [make, nightly]\n" } });

    const added = await cli.run(
      "schedule",
      "add",
      "nightly",
      "--cron",
      "0 3 * * *",
      "--timezone",
      "Europe/Berlin",
      "--",
      "make",
      "backup",
    );
    const other = await cli.run(
      "schedule",
      "add",
      "other",
      "--cron",
      "@hourly",
      "--overlap",
      "allow",
      "--file",
      "job.yaml",
    );

    expect(added).toMatchObject({ exit: 0, stderr: "" });
    expect((await cli.run("schedule", "list")).stdout).toMatchInlineSnapshot(`
      "ID                            NAME     CRON       ZONE           NEXT                  LAST  OVERLAP
      s_01hf7yat00e0br7xs0vxvnp1cn  nightly  0 3 * * *  Europe/Berlin  2023-11-15 02:00:00Z  -     skip
      s_01hf7yat00e0br7xs1v1100ctv  other    @hourly    UTC            2023-11-14 23:00:00Z  -     allow
      "
    `);
    expect((await cli.run("schedule", "list", "--json")).stdout).toContain('"from a file"');
    const removed = await cli.run("schedule", "remove", added.stdout.trim(), "s_nonsense");
    expect(removed).toMatchObject({ exit: 1, stdout: `${added.stdout.trim()} is removed; tasks it submitted stay\n` });
    expect(itemsOf((await cli.run("schedule", "list", "--json")).stdout)).toMatchObject([{ id: other.stdout.trim() }]);
  });

  it("with a wrong expression or without one are refused with an example", async () => {
    const cli = createCli();

    const wrong = await cli.run("schedule", "add", "x", "--cron", "61 * * * *", "--", "a");
    const without = await cli.run("schedule", "add", "x", "--", "a");

    expect(wrong.exit).toBe(1);
    expect(wrong.stderr).toContain("0 3 * * *");
    expect(without).toMatchObject({ exit: 2, stderr: containing("schedule add needs --cron") });
  });
});

describe("dead letters", () => {
  it("are listed, redriven all at once with those that died because of them, and dropped", async () => {
    const cli = createCli();
    const first = await submit(cli.harness, { title: "first", maxAttempts: 1 });
    const second = await submit(cli.harness, { title: "second", dependsOn: [first] });
    await cli.harness.work({ outcome: "failed", error: "the command exited with code 7" });

    const listed = await cli.run("dead", "list");
    expect(listed.stdout).toContain("the command exited with code 7");
    expect(listed.stdout).toContain(second);
    const redriven = await cli.run("dead", "redrive", "--all");
    expect(redriven).toMatchObject({ exit: 0, stderr: "" });
    expect(redriven.stdout).toContain(`${first} ready`);
    expect(redriven.stdout).toContain(`${second} waiting`);
    expect(await cli.run("dead", "list")).toEqual({ exit: 0, stdout: "", stderr: "There are no dead letters.\n" });

    const third = await submit(cli.harness, { title: "third", maxAttempts: 1, lane: "critical" });
    await cli.harness.work({ outcome: "failed", error: "x" });
    expect((await cli.run("dead", "drop", third)).stdout).toBe(`${third} is deleted\n`);
    expect((await cli.run("dead", "show", third)).exit).toBe(1);
    expect((await cli.run("dead", "redrive")).exit).toBe(2);
    expect((await cli.run("dead", "redrive", "--all", third)).exit).toBe(2);
  });
});

describe("the node", () => {
  it("is listed and backed up", async () => {
    const cli = createCli();

    expect((await cli.run("node", "list")).stdout).toContain("box (this one)  solo");
    expect(await cli.run("backup", "copies/a.db")).toEqual({
      exit: 0,
      stdout: "/srv/here/copies/a.db\n",
      stderr: "A verified copy of 9 B. Put it back with: drover restore FILE\n",
    });
  });

  it("is asked to stop and waited for until it answers no more and has let go of its folder", async () => {
    let asked = 0;
    let looked = 0;
    const cli = createCli({
      environment: {
        readText: async (path) => {
          if (path.endsWith("/token")) return ok(TOKEN);
          if (asked > 3) looked += 1;
          const text = JSON.stringify({ url: "http://127.0.0.1:7433", pid: 42, startedAtMs: 1 });
          return looked > 2 ? err(refused("not_found", `${path} does not exist`)) : ok(text);
        },
        fetch: async (url, init) => {
          asked += 1;
          if (asked > 3) throw Object.assign(new TypeError("Unable to connect"), { code: "ConnectionRefused" });
          return cli.harness.api.app.request(url, init, {});
        },
      },
    });

    const { done, seen } = cli.start("down");
    await waitUntil("it has stopped", () => {
      cli.harness.clock.advance(200);
      return seen.stdout() !== "";
    });

    expect(await done).toMatchObject({ exit: 0, stdout: "The node has stopped.\n" });
    expect(looked).toBe(3);
    expect(cli.harness.shutdowns).toEqual(["drain"]);
  });

  it("is stopped at once with --force", async () => {
    const cli = createCli();
    const { seen, done, interrupt } = cli.start("down", "--force");
    await waitUntil("it was asked", () => cli.harness.shutdowns.length > 0);
    interrupt();

    expect(await done).toMatchObject({ exit: 1 });
    expect(cli.harness.shutdowns).toEqual(["now"]);
    expect(seen.stdout()).toBe("");
  });
});

describe("local commands", () => {
  it("get their options with those of every command", async () => {
    const calls: unknown[] = [];
    const record = (name: string) => async (options: object) => {
      calls.push([name, options]);
      return 0;
    };
    const local = {
      up: record("up"),
      run: record("run"),
      restore: record("restore"),
      configShow: record("config show"),
      worker: record("worker"),
      inventory: record("worker"),
      diagnose: async () => [],
    };
    const cli = createCli({ local });
    const none = { json: false, config: undefined, state: undefined, url: undefined, noColor: false, quiet: false };

    await cli.run("up", "--detach", "--state", "/s");
    await cli.run("run", "a.yaml", "b.yaml", "--executor", "shell", "--json");
    await cli.run("restore", "a.db");
    await cli.run("config", "show", "--origin", "--config", "c.toml");
    await cli.run("worker", "/attempt");

    expect(calls).toEqual([
      ["up", { ...none, detach: true, state: "/s" }],
      ["run", { ...none, json: true, executor: "shell", keep: false, files: ["a.yaml", "b.yaml"] }],
      ["restore", { ...none, file: "a.db" }],
      ["config show", { ...none, origin: true, config: "c.toml" }],
      ["worker", { ...none, directory: "/attempt" }],
    ]);
  });

  it("of the process keep its signals: only a command that can be interrupted listens", async () => {
    const before = process.listenerCount("SIGINT");
    const during: number[] = [];
    const look = async () => {
      during.push(process.listenerCount("SIGINT"));
      return 0;
    };
    const local = {
      up: look,
      node: look,
      run: look,
      restore: look,
      configShow: look,
      configCheck: look,
      worker: look,
      inventory: look,
      diagnose: async () => [],
      auditVerify: () => Promise.reject(new Error("this command was not expected")),
      selftest: look,
      stateMark: look,
      releaseKey: look,
      repoScan: look,
      improvementScan: look,
    };
    const clock = createCli().harness.clock;
    const configuredStateDir = async () => ok(undefined);
    const environment = processEnvironment({
      version: "1",
      commit: "1",
      target: "x",
      clock,
      configuredStateDir,
      local,
    });

    await runCli(["up"], environment);
    await runCli(["worker", "/attempt"], environment);

    expect(during).toEqual([before, before]);
    expect(environment.interrupted.aborted).toBe(false);
    expect(process.listenerCount("SIGINT")).toBe(before + 1);
  });

  it("that fail unexpectedly are reported as a fault of drover, without secrets", async () => {
    const cli = createCli({
      local: {
        up: () => Promise.reject(new Error("broken with drv_abcdefghijklmnopqrstuvwxyz")),
      },
    });

    const outcome = await cli.run("up");

    expect(outcome.exit).toBe(1);
    expect(outcome.stderr).toContain("This is a fault in drover");
    expect(outcome.stderr).not.toContain("drv_abc");
  });
});
