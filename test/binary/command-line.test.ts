/** The executable alone: an empty folder, an empty environment, no node. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BINARY, BinaryWorld, type Ended, runBinary, startBinaryNode, urlOf } from "../support/binary-node.ts";
import { processesWithin } from "../support/binary-processes.ts";
import { waitUntil } from "../support/wait-until.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-empty-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** With nothing in the environment, not even PATH or HOME. */
const bare = (...args: readonly string[]): Ended => runBinary(args, { cwd: folder });

describe("the executable in an empty folder with an empty environment", () => {
  it("says its version", () => {
    const { code, stdout, stderr } = bare("--version");

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^drover \d+\.\d+\.\d+ \(/);
  });

  it("says its version as JSON", () => {
    const { code, stdout } = bare("version", "--json");

    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toHaveProperty("version");
    expect(JSON.parse(stdout)).toHaveProperty("commit");
  });

  it.each([[["help"]], [["--help"]], [["help", "task", "add"]], [["help", "up"]]])("shows help for %j", (args) => {
    const { code, stdout, stderr } = bare(...args);

    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("drover");
  });

  it("passes its own test, and leaves nothing in the folder", () => {
    const { code, stdout } = bare("selftest", "--json");

    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
    expect(code).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  const usage = [
    { args: ["tsak", "list"], says: "task" },
    { args: ["task"], says: "task" },
    { args: ["--colour", "version"], says: "--colour" },
    { args: ["task", "list", "--limit", "many"], says: "--limit" },
    { args: ["task", "show"], says: "ID" },
    { args: ["run"], says: "FILE" },
    { args: ["status"], says: "" },
    { args: ["up", "--port", "80"], says: "--port" },
  ] as const;
  it.each(usage)("ends $args with an error on the error output and no other effect", ({ args, says }) => {
    const { code, stdout, stderr } = bare(...args);

    expect([1, 2, 3]).toContain(code);
    expect(stdout).toBe("");
    expect(stderr).toContain("drover: ");
    expect(stderr).toContain(says);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("ends an unknown command with 2 and names the one that was meant", () => {
    const { code, stderr } = bare("quue");

    expect(code).toBe(2);
    expect(stderr).toContain("queue");
  });

  it("ends with 3 when no node runs on the state folder", () => {
    expect(bare("queue", "--state", folder).code).toBe(3);
  });
});

describe("drover run", () => {
  const files = {
    "pass.toml": `title = "toml"\ncommand = ["sh", "-c", "echo proof > made"]\n[[verify]]\nkind = "file_contains"\npath = "made"\npattern = "proof"\n`,
    "pass.yaml": `- title: first\n  ref: first\n  command: [sh, -c, "echo one"]\n- title: second\n  dependsOn: [first]\n  command: [sh, -c, "echo two"]\n`,
    "pass.json": JSON.stringify({ tasks: [{ title: "json", command: ["true"] }] }),
    "fail.json": JSON.stringify({ title: "fails", command: ["false"], maxAttempts: 1 }),
    "unproved.toml": `title = "unproved"\ncommand = ["true"]\nmaxAttempts = 1\n[[verify]]\nkind = "file_exists"\npath = "never-made"\n`,
    "missing.yaml": `title: missing\ncommand: [no-such-program-anywhere]\n`,
    "bad.json": `{"title":`,
    "bad.toml": `title = `,
    "unknown.yaml": `titel: x\ncommand: [true]\n`,
    "circle.yaml": `- {title: a, ref: a, dependsOn: [b], command: ["true"]}\n- {title: b, ref: b, dependsOn: [a], command: ["true"]}\n`,
  } as const;
  const run = (...names: readonly string[]): Ended => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return bare("run", ...names, "--json");
  };

  it.each([["pass.toml"], ["pass.yaml"], ["pass.json"]])("of %s ends with 0", (name) => {
    const { code, stdout } = run(name);

    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
    expect(stdout).not.toMatch(/"state": *"(?!done)/);
    expect(code).toBe(0);
  });

  const failing = [
    { name: "fail.json", says: "exited with code 1" },
    { name: "unproved.toml", says: "never-made" },
    { name: "missing.yaml", says: "no-such-program-anywhere" },
  ];
  it.each(failing)("of $name ends with 1 and says why", ({ name, says }) => {
    const { code, stdout } = run(name);

    expect(JSON.parse(stdout)).toMatchObject({ ok: false });
    expect(stdout).toContain(says);
    expect(code).toBe(1);
  });

  const refused = [
    { name: "bad.json", says: "not JSON" },
    { name: "bad.toml", says: "not TOML" },
    { name: "unknown.yaml", says: "titel" },
    { name: "circle.yaml", says: "circle" },
    { name: "none.json", says: "none.json" },
    { name: ".", says: "cannot read" },
  ];
  it.each(refused)("of $name runs nothing and says why", ({ name, says }) => {
    const { code, stdout, stderr } = run(name);

    expect([1, 2]).toContain(code);
    expect(stdout).toBe("");
    expect(stderr).toContain(says);
  });

  it("of a good and a bad file together runs neither", () => {
    const { code, stdout } = run("pass.json", "fail.json", "unknown.yaml");

    expect([code, stdout]).toEqual([expect.any(Number), ""]);
    expect(code).not.toBe(0);
  });
});

describe("drover run that is interrupted", () => {
  let world: BinaryWorld;
  beforeEach(() => {
    world = new BinaryWorld();
  });
  afterEach(() => world.remove());

  const signals = [["SIGINT"], ["SIGTERM"]] as const;
  it.each(signals)("by %s ends its tasks and itself with 1", async (signal) => {
    const file = join(world.path, "long.json");
    writeFileSync(file, JSON.stringify({ title: "long", command: ["sleep", "300"] }));
    const child = spawn(BINARY, ["run", file], { cwd: world.path, env: world.environment });
    const exited = once(child, "exit");
    let said = "";
    child.stderr.on("data", (chunk) => {
      said += String(chunk);
    });
    await waitUntil("it runs", () => world.processes().some(({ command }) => command === "sleep 300"));

    child.kill(signal);

    expect(await exited).toEqual([1, null]);
    expect(said).toContain("drover: interrupted");
    await waitUntil("nothing is left", () => world.processes().length === 0);
    expect(readdirSync(world.temporary).filter((name) => name.startsWith("drover-run-"))).toEqual([]);
  });

  it("while it reads the standard input ends with 1", async () => {
    const child = spawn(BINARY, ["run", "-"], { cwd: world.path, env: world.environment });
    const exited = once(child, "exit");
    await waitUntil("it has made its folder", () =>
      readdirSync(world.temporary).some((name) => name.startsWith("drover-run-")),
    );

    child.kill("SIGINT");

    expect(await exited).toEqual([1, null]);
  });
});

describe("files of the current folder", () => {
  it("named .env and bunfig.toml are not loaded", () => {
    writeFileSync(
      join(folder, ".env"),
      `DROVER_HTTP_PORT=17433\nBUN_OPTIONS=--print=loaded\nDROVER_STATE=${folder}/x\n`,
    );
    writeFileSync(join(folder, ".env.production"), `DROVER_HTTP_PORT=17433\n`);
    writeFileSync(join(folder, "preload.ts"), `console.log("loaded"); process.exit(7);\n`);
    writeFileSync(join(folder, "bunfig.toml"), `preload = ["./preload.ts"]\n`);
    copyFileSync(join(folder, "preload.ts"), join(folder, "index.ts"));

    expect(bare("--version").stdout).not.toContain("loaded");
    const { code, stdout } = bare("config", "show", "--json");

    expect(code).toBe(0);
    expect(stdout).toContain("7433");
    expect(stdout).not.toContain("17433");
  });

  it("named drover.toml with an unknown setting is refused with a suggestion", () => {
    writeFileSync(join(folder, "drover.toml"), `[http]\nprot = 80\n`);

    const { code, stderr } = bare("config", "check");

    expect(code).not.toBe(0);
    expect(stderr).toContain("http.port");
  });
});

describe("up and down", () => {
  let world: BinaryWorld;
  beforeEach(() => {
    world = new BinaryWorld();
  });
  afterEach(() => world.remove());

  it("start a node and stop it, with its files as private as its token", async () => {
    const node = await startBinaryNode(world);
    const queue = runBinary(["queue", "--json", "--state", world.state], { cwd: folder });
    const down = runBinary(["down", "--state", world.state], { cwd: folder });
    await node.exited;

    expect([queue.code, down.code]).toEqual([0, 0]);
    expect(JSON.parse(queue.stdout)).toMatchObject({ paused: false });
    expect(urlOf(world.state, undefined)).toBeUndefined();
    expect(world.processes()).toEqual([]);
    expect(readFileSync(join(world.state, "token"), "utf8").trim().length).toBeGreaterThan(24);
  });

  it("--detach returns when the node is ready, and it goes on", async () => {
    const up = runBinary(["up", "--detach", "--json", "--state", world.state], { cwd: folder, env: world.environment });
    expect({ code: up.code, stderr: up.stderr }).toEqual({ code: 0, stderr: "" });
    const said: unknown = JSON.parse(up.stdout);

    const url = urlOf(world.state, undefined);
    const down = runBinary(["down", "--force", "--state", world.state], { cwd: folder });

    expect(said).toMatchObject({ url });
    expect(down.code).toBe(0);
    await waitUntil("the node has ended", () => processesWithin("TMPDIR", world.path).length === 0);
  });

  it("--detach sets aside the log of earlier nodes when it has grown large", () => {
    mkdirSync(world.state);
    const log = join(world.state, "drover.log");
    writeFileSync(log, "");
    const largeBytes = 17 * 1024 * 1024;
    truncateSync(log, largeBytes);
    writeFileSync(join(world.state, "token"), "");

    const up = runBinary(["up", "--detach", "--state", world.state], { cwd: folder, env: world.environment });
    runBinary(["down", "--force", "--state", world.state], { cwd: folder });

    expect({ code: up.code, stderr: up.stderr }).toEqual({ code: 0, stderr: "" });
    expect(statSync(`${log}.1`).size).toBe(largeBytes);
    expect(statSync(log).size).toBeLessThan(largeBytes);
  });

  it("--detach on a folder that holds other people's files says so and leaves it as it is", () => {
    mkdirSync(world.state, { mode: 0o755 });
    writeFileSync(join(world.state, "thesis.txt"), "x");

    const up = runBinary(["up", "--detach", "--state", world.state], { cwd: folder, env: world.environment });

    expect(up.code).toBe(2);
    expect(up.stderr).toContain("--state");
    expect(up.stderr).not.toContain("unexpected error");
    expect(readdirSync(world.state)).toEqual(["thesis.txt"]);
  });

  it("down waits for what runs, and down --force does not", async () => {
    mkdirSync(world.state);
    const node = await startBinaryNode(world);
    const marker = join(world.workspace, "marker");
    const place = ["--state", world.state, "--workspace", world.workspace];
    const add = ["task", "add", ...place, "--", "sh", "-c", "sleep 1; echo done > marker"];
    expect(runBinary(add, { cwd: folder, env: world.environment }).code).toBe(0);
    await waitUntil("it runs", () => world.processes().some(({ command }) => command === "sleep 1"));

    const down = runBinary(["down", "--state", world.state], { cwd: folder });
    await node.exited;

    expect(down.code).toBe(0);
    expect(readFileSync(marker, "utf8")).toBe("done\n");
  });
});
