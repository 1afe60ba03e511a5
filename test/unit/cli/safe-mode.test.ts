import { describe, expect, it } from "vitest";
import { type JsonValue, ok } from "#base";
import { answerSafeMode, type SafeModeFacts } from "../../../src/watchdog/safe-mode.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { TOKEN } from "../api/api-harness.ts";
import { type Cli, type CliOptions, createCli, parsed, parsedLines, STATE } from "./cli-harness.ts";

const facts: SafeModeFacts = {
  version: "1.2.3",
  sinceMs: 1_700_000_000_000,
  reason: "it ended with exit code 3",
  faults: [1, 2, 3, 4, 5, 6].map((n) => ({ atMs: 1_700_000_000_000 + n, reason: `fault ${n}\u001b[2J` })),
  lastLines: ["fleet.db is damaged"],
  logPath: "/state/logs/node.log",
  canRollBack: true,
  restarts: { used: 6, allowed: 5 },
};
const WATCHDOG_FILE = JSON.stringify({ pid: 7, safeMode: facts.reason, safeModeUrl: "http://127.0.0.1:7777" });

/** The command line before the watchdog's own answers; there never was a node, so there is no node.json. */
function inSafeMode(changed: Partial<SafeModeFacts> = {}, options: CliOptions = {}) {
  const asked: string[] = [];
  const files = new Map([
    [`${STATE}/token`, `${TOKEN}\n`],
    [`${STATE}/watchdog.json`, WATCHDOG_FILE],
  ]);
  let isOver = false;
  const cli: Cli = createCli({
    ...options,
    environment: {
      readText: async (path) => {
        const text = files.get(path);
        return text === undefined
          ? { ok: false, error: { kind: "refused", code: "not_found", message: `${path} does not exist` } }
          : ok(text);
      },
      fetch: async (url, init) => {
        if (isOver) throw Object.assign(new TypeError("Unable to connect"), { code: "ConnectionRefused" });
        const { pathname, host } = new URL(url);
        const method = init.method ?? "GET";
        asked.push(`${method} ${host}${pathname}`);
        const hasToken = new Headers(init.headers).get("authorization") === `Bearer ${TOKEN}`;
        const answer = answerSafeMode(
          { method, path: pathname, host, origin: null, fetchSite: null, hasToken },
          { ...facts, ...changed },
          new Set(["127.0.0.1"]),
        );
        if (answer.kind === "page") return new Response(answer.html, { status: answer.status });
        if (answer.kind === "json") return Response.json(answer.body, { status: answer.status });
        const body: JsonValue = { mode: "now", running: 0, safeMode: true };
        const done = answer.action === "shutdown" ? body : {};
        return Response.json(answer.body ?? done, { status: 202 });
      },
    },
  });
  const end = (): void => {
    isOver = true;
    files.delete(`${STATE}/watchdog.json`);
  };
  return { cli, asked, end, files };
}

describe("in safe mode", () => {
  it("status says the reason, the last faults and lines and what to do, and ends with 4", async () => {
    const { cli, asked } = inSafeMode();

    const { exit, stdout, stderr } = await cli.run("status");

    expect(exit).toBe(4);
    expect(stdout).toContain("drover 1.2.3 is in safe mode");
    expect(stdout).toContain("it ended with exit code 3");
    // The last five, and nothing that moves the cursor.
    expect(stdout).not.toContain("fault 1");
    expect(stdout).toContain("fault 2");
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toContain("Last lines of /state/logs/node.log:\n  fleet.db is damaged\n");
    for (const step of ["doctor", "node restart", "rollback", "update FILE", "down"]) {
      expect(stderr).toContain(`drover ${step}`);
    }
    expect(asked).toContain("GET 127.0.0.1:7777/api/safe-mode");
  });

  it("status offers no way back where there is none, and is one document with --json", async () => {
    const { cli } = inSafeMode({ canRollBack: false });

    const text = await cli.run("status");
    const json = await cli.run("status", "--json");

    expect(text.stderr).not.toContain("rollback");
    expect(json.exit).toBe(4);
    expect(parsed(json.stdout)).toMatchObject({ safeMode: { reason: facts.reason, canRollBack: false } });
  });

  it("down stops the watchdog and waits until its file is gone", async () => {
    const { cli, asked, end, files } = inSafeMode();

    const { done, seen } = cli.start("down");
    await waitUntil("it was asked", () => asked.includes("POST 127.0.0.1:7777/api/shutdown"));
    await waitUntil("it is looked whether it is gone", () => asked.includes("GET 127.0.0.1:7777/health/live"));
    const tooEarly = seen.stdout();
    end();
    files.set(`${STATE}/watchdog.json`, WATCHDOG_FILE);
    for (let turn = 0; turn < 20; turn += 1) {
      cli.harness.clock.advance(200);
      await Promise.resolve();
    }
    const whileItCloses = seen.stdout();
    files.delete(`${STATE}/watchdog.json`);
    await waitUntil("it has stopped", () => {
      cli.harness.clock.advance(200);
      return seen.stdout() !== "";
    });

    expect([tooEarly, whileItCloses]).toEqual(["", ""]);
    expect(await done).toMatchObject({ exit: 0, stdout: "The watchdog has stopped.\n" });
  });

  it("breakers shows why no node is started, and a reset starts it", async () => {
    const { cli, asked } = inSafeMode();

    const list = await cli.run("breakers");
    const json = await cli.run("breakers", "--json");
    const reset = await cli.run("breakers", "reset", "crashes");

    expect([list.exit, json.exit, reset.exit]).toEqual([0, 0, 0]);
    expect(list.stdout).toMatch(
      /^crashes +open +the node is not started again: it ended with exit code 3; .* restart$/m,
    );
    expect(parsed(json.stdout)).toMatchObject({ breakers: [{ name: "crashes", state: "open", value: 6, limit: 5 }] });
    expect(reset.stdout).toMatch(/^crashes +closed +the node is started again/m);
    expect(asked.at(-1)).toBe("POST 127.0.0.1:7777/api/breakers/crashes/reset");
  });

  it("other breakers cannot be reset, and what can be done is said", async () => {
    const { exit, stderr } = await inSafeMode().cli.run("breakers", "reset", "queue");

    expect(exit).toBe(1);
    expect(stderr).toContain("no node runs here: it ended with exit code 3");
    expect(stderr).toContain("drover node restart");
  });

  it("other commands say what to do", async () => {
    const { exit, stderr } = await inSafeMode().cli.run("queue");

    expect(exit).toBe(1);
    expect(stderr).toContain("no node runs here: it ended with exit code 3");
  });
});

describe("status of a node that is watched", () => {
  const watchdog = {
    pid: 40,
    version: "1.2.3",
    startedAtMs: 1,
    sharesSocket: true,
    node: { phase: "running", pid: 42, generation: 3, phaseMs: 5 },
    lastFault: { kind: "killed", reason: "it was killed by SIGSEGV", generation: 2, uptimeMs: 9, atMs: 0 },
    faults: [],
    log: "/state/logs/node.log",
  };
  const releases = { current: "1.2.3", previous: null, floor: null, releases: [], swap: null, history: [] };
  const row = (result: string): JsonValue => ({ version: "2.0.0", result });

  const statusWith = (said: JsonValue, watch: JsonValue = watchdog) =>
    createCli({
      ports: { watchdog: { ask: async (action) => ok(action === "releases" ? said : watch) } },
    }).run("status");

  it("counts restarts and names the last fault", async () => {
    const { stdout, exit } = await statusWith(releases);

    expect(stdout).toMatch(/watchdog +process 40, 2 restarts; last fault .* ago: it was killed by SIGSEGV/);
    expect(exit).toBe(0);
  });

  it.each<[string, JsonValue, string]>([
    ["alone", releases, "1.2.3"],
    [
      "with a swap under way",
      { ...releases, swap: { version: "2.0.0", step: "draining", kind: "update" } },
      "1.2.3; swap to 2.0.0 under way: draining",
    ],
    [
      "on probation",
      { ...releases, swap: { version: "2.0.0", step: "probation", kind: "update" } },
      "2.0.0, on probation",
    ],
    ["after a rollback", { ...releases, history: [row("rolledBack")] }, "1.2.3; the last try, 2.0.0, was rolled back"],
    ["after a success", { ...releases, current: "2.0.0", history: [row("committed")] }, "2.0.0"],
  ])("names the release %s", async (_when, said, line) => {
    const { stdout } = await statusWith(said);

    expect(/^ *release +(.*)$/m.exec(stdout)?.[1]).toBe(line);
  });

  it("says so when nobody watches", async () => {
    expect((await createCli().run("status")).stdout).toMatch(/watchdog +none/);
  });
});

describe("events --follow", () => {
  it.each([
    [["--json"], (text: string) => parsedLines(text)],
    [[], (text: string) => text.trim().split("\n")],
  ])("shows that a swap begins and ends, with %j", async (options, read) => {
    const cli = createCli();
    const { done, seen, interrupt } = cli.start("events", "--follow", "--tail", "0", ...options);
    await waitUntil("the stream is open", () => cli.harness.api.streams() === 1);

    cli.harness.api.announceMaintenance({ version: "2.0.0" });
    cli.harness.api.announceMaintenance(undefined);
    await waitUntil("both are printed", () => seen.stdout().split("\n").length > 2);
    interrupt();
    await done;

    expect(read(seen.stdout())).toEqual(
      options.length > 0
        ? [
            { kind: "maintenance", on: true, version: "2.0.0" },
            { kind: "maintenance", on: false, version: "1.2.3" },
          ]
        : ["maintenance: release 2.0.0 is being installed", "maintenance is over; release 1.2.3 runs"],
    );
  });
});
