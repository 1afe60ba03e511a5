/** Models as a person uses them: tasks with a prompt, faults under them, money, and the gateway. */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import OpenAI from "openai";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FLEET_MIGRATIONS } from "../../src/store/migrations/fleet.ts";
import type { Migration } from "../../src/store/migrations/migration.ts";
import { NODE_MIGRATIONS } from "../../src/store/migrations/node.ts";
import { command } from "../support/binary-command.ts";
import { type BinaryNode, BinaryWorld, type Environment, startBinaryNode } from "../support/binary-node.ts";
import { killPid } from "../support/binary-processes.ts";
import { bodyField, type RecordedRequest } from "../support/models/recorded-request.ts";
import { gate, type ReplyBuilder, reply } from "../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../support/models/scripted-server.ts";
import { seeTask, submitTask, taskEnds } from "../support/node-tasks.ts";
import { waitUntil } from "../support/wait-until.ts";

const LIMIT_MS = 30_000;
const GREETING = {
  title: "greet",
  prompt: "Write hello into greeting.txt.",
  verify: [{ kind: "file_contains", path: "greeting.txt", pattern: "hello" }],
};

let world: BinaryWorld;
let server: ScriptedServer;
let node: BinaryNode | undefined;
beforeEach(async () => {
  world = new BinaryWorld();
  server = await startScriptedServer({ models: [{ name: "a", capabilities: ["completion", "tools"] }] });
});
afterEach(async () => {
  await node?.kill();
  node = undefined;
  world.remove();
  await server.stop();
});

const write = (content: string): ReplyBuilder => reply().toolCall("write_file", { path: "greeting.txt", content });
const shell = (line: string): ReplyBuilder => reply().toolCall("run_command", { command: ["sh", "-c", line] });

/** A node whose endpoints are these; no other is looked for. */
async function start(
  endpoints: readonly object[] = [{ name: "one", url: server.url }],
  env: Environment = {},
): Promise<BinaryNode> {
  const settings = { DROVER_ENDPOINTS: JSON.stringify(endpoints), DROVER_HW_DISCOVER: "false" };
  node = await startBinaryNode(world, { env: { ...settings, ...env } });
  return node;
}

describe("a task with a prompt", { timeout: LIMIT_MS }, () => {
  it("is corrected by its model after a failed check, and everything it used is told", async () => {
    const running = await start();
    server.enqueue(write("helo\n"), reply().text("Done."), write("hello\n"), reply().text("Done."));

    const added = ["task", "add", "--prompt", GREETING.prompt, "--verify-contains", "greeting.txt=hello", "--wait"];
    const ended = await command(world, added);
    const listed = await running.request("GET", "/api/tasks");
    const logs = await command(world, ["task", "logs", idIn(ended.stdout)]);
    const explained = await command(world, ["task", "explain", idIn(ended.stdout)]);
    const usage = await command(world, ["usage", "--json"]);

    expect(ended).toMatchObject({ code: 0 });
    expect(listed.body).toMatchObject({ items: [{ state: "done", attemptCount: 1 }] });
    expect(logs.stdout).toContain("correction 1: 1 checks failed");
    expect(explained.stdout).toContain("a:latest on one");
    expect(JSON.parse(usage.stdout)).toMatchObject({ sums: [{ requests: 4, promptTokens: 44, completionTokens: 28 }] });
  });

  it("waits without a model server, says what to do, and is done once one is added", async () => {
    const running = await start([]);
    server.enqueue(write("hello\n"), reply().text("Done."));

    const { id } = await submitTask(running, GREETING);
    const explained = await command(world, ["task", "explain", id]);
    const added = await command(world, ["endpoints", "add", server.url, "--name", "late"]);

    expect(explained.stdout).toContain("no model server was found");
    expect(explained.stdout).toContain("drover endpoints add URL");
    expect(added.code).toBe(0);
    expect((await taskEnds(running, id)).state).toBe("done");
  });

  it("for Claude goes to an endpoint of its kind, with the key of its file", async () => {
    const claude = await startScriptedServer({ models: [{ name: "claude-x" }], apiKey: "key-of-a-file" });
    writeFileSync(join(world.path, "key"), "key-of-a-file\n");
    const endpoint = { name: "c", kind: "anthropic", url: claude.url, api_key_file: join(world.path, "key") };
    const running = await start([endpoint]);
    claude.enqueue(write("hello\n"), reply().text("Done."));

    const { id } = await submitTask(running, { ...GREETING, executor: "claude" });
    const task = await taskEnds(running, id);
    await claude.stop();

    expect(task.state).toBe("done");
    expect(claude.chats.map(({ path }) => path)).toEqual(["/v1/messages", "/v1/messages"]);
  });

  it("runs from a file without a node; without a model server it ends at once with what to do", async () => {
    const file = join(world.path, "task.json");
    writeFileSync(file, JSON.stringify(GREETING));
    server.enqueue(write("hello\n"), reply().text("Done."));

    const endpoints = { DROVER_ENDPOINTS: JSON.stringify([{ url: server.url }]) };
    const done = await command(world, ["run", file], endpoints);
    const hopeless = await command(world, ["run", file]);

    expect(done).toMatchObject({ code: 0 });
    expect(hopeless.code).toBe(1);
    expect(hopeless.stderr).toContain("drover endpoints add URL");
  });

  it("goes on where it was when its node is killed within a reply and comes back", async () => {
    const first = await start();
    const never = gate();
    server.enqueue(write("first\n"), reply().text("I am ").waitFor(never.opened));
    const { id } = await submitTask(first, GREETING);
    await server.chat(2);

    await first.kill();
    server.enqueue(write("hello\n"), reply().text("Done."));
    const second = await start();
    const task = await taskEnds(second, id);
    never.open();

    expect(task).toMatchObject({ state: "done", attempts: [{ n: 1, outcome: "passed" }] });
    expect(server.chats).toHaveLength(4);
  });

  it("loses its worker and does no side effect twice", async () => {
    const running = await start();
    const never = gate();
    server.enqueue(shell("echo ran >> count.txt"), reply().waitFor(never.opened));
    const check = { kind: "command_succeeds", command: ["sh", "-c", 'test "$(cat count.txt)" = ran'] };
    const { id } = await submitTask(running, { ...GREETING, verify: [check], retry: { baseMs: 50, maxMs: 50 } });
    await server.chat(2);

    for (const { pid, command: line } of world.processes()) if (line.includes(" worker ")) killPid(pid);
    server.enqueue(reply().text("Done."));
    const task = await taskEnds(running, id);
    never.open();

    expect(task.attempts.map(({ outcome }) => outcome)).toEqual(["lost", "passed"]);
    expect(server.chats).toHaveLength(3);
  });
});

describe("servers that fail", { timeout: LIMIT_MS }, () => {
  const PROBE_MS = 6_000;
  /** A look at a node that does nothing else takes a millisecond; this is what a blocked event loop exceeds at once. */
  const SLOW_MS = 250;

  it("delay neither the API nor the tasks, and are named with their faults", async () => {
    const hanging = createServer(() => undefined);
    await new Promise<void>((resolve) => hanging.listen(0, "127.0.0.1", resolve));
    const address = hanging.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const tools = join(world.path, "tools");
    mkdirSync(tools);
    writeFileSync(join(tools, "nvidia-smi"), "#!/bin/sh\nexec sleep 1000\n");
    chmodSync(join(tools, "nvidia-smi"), 0o755);
    const endpoints = [
      { name: "hanging", url: `http://127.0.0.1:${port}` },
      { name: "dead", url: "http://127.0.0.1:9" },
      { name: "one", url: server.url },
    ];
    server.enqueue(write("hello\n"), reply().text("Done."));

    const running = await start(endpoints, { PATH: `${tools}:/usr/bin:/bin` });
    const { id } = await submitTask(running, GREETING);
    const times = await lookFor(running, PROBE_MS);
    const doctor = await command(world, ["doctor"]);
    hanging.closeAllConnections();
    hanging.close();

    const p99 = times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY;
    console.log(`/health/live beside a hanging server and nvidia-smi: p99 ${p99.toFixed(1)} ms of ${times.length}`);
    expect(p99).toBeLessThan(SLOW_MS);
    expect((await seeTask(running, id)).state).toBe("done");
    expect(doctor.stdout).toContain("endpoint hanging: no answer within");
    expect(doctor.stdout).toContain("nothing listens there");
    expect(doctor.stdout).toContain("nvidia-smi did not answer");
  });
});

describe("a budget that is used up", { timeout: LIMIT_MS }, () => {
  const onEach = (request: RecordedRequest): ReplyBuilder =>
    JSON.stringify(bodyField(request, "messages") ?? "").includes('"tool"')
      ? reply().text("Done.").ending({ promptTokens: 60, completionTokens: 10 })
      : write("hello\n").ending({ promptTokens: 60, completionTokens: 10 });

  it("lets tasks wait where it says queue, and is told of once", async () => {
    server.otherwise(onEach);
    const running = await start(undefined, { DROVER_BUDGETS_DAY_TOKENS: "100", DROVER_BUDGETS_ACTION: "queue" });
    const first = await submitTask(running, GREETING);
    await taskEnds(running, first.id);

    const second = await submitTask(running, GREETING);
    const explained = await command(world, ["task", "explain", second.id]);
    const usage = await command(world, ["usage"]);

    expect(explained.stdout).toContain("the budget of this day is used up: 140 of 100 tokens");
    expect(usage.stderr + usage.stdout).toContain("140 of 100 tokens");
    expect((await seeTask(running, second.id)).attempts).toEqual([]);
    expect(running.log().match(/of the budget of this day is used/g)).toHaveLength(1);
  });

  it("ends tasks with the reason where it says refuse", async () => {
    server.otherwise(onEach);
    const running = await start(undefined, { DROVER_BUDGETS_DAY_TOKENS: "100", DROVER_BUDGETS_ACTION: "refuse" });
    await taskEnds(running, (await submitTask(running, GREETING)).id);

    const task = await taskEnds(running, (await submitTask(running, { ...GREETING, maxAttempts: 1 })).id);

    expect(task.state).toBe("dead");
    expect(task.reason?.text).toContain("the budget of this day is used up");
  });
});

describe("the gateway", { timeout: LIMIT_MS }, () => {
  const TOO_LONG = 17 * 1024 * 1024;
  const HELLO = [{ role: "user" as const, content: "hi" }];
  const TIERS = ["drover:auto", "drover:trivial", "drover:standard", "drover:complex"];

  it("answers the unmodified client of OpenAI, and refuses in words that it understands", async () => {
    const running = await start();
    await command(world, ["endpoints", "probe"]);
    const client = new OpenAI({ baseURL: `${running.url}/openai/v1`, apiKey: running.token, maxRetries: 0 });
    server.enqueue(reply().tokens("one ", "two"));

    const stream = await client.chat.completions.create({ model: "a", messages: HELLO, stream: true });
    let said = "";
    for await (const chunk of stream) said += chunk.choices[0]?.delta.content ?? "";
    const unknown = client.chat.completions.create({ model: "nobody", messages: HELLO });
    const long = client.chat.completions.create({
      model: "a",
      messages: [{ role: "user", content: "x".repeat(TOO_LONG) }],
    });
    const [notFound, tooLong] = await Promise.allSettled([unknown, long]);
    const listed = await client.models.list();
    const stranger = new OpenAI({ baseURL: `${running.url}/openai/v1`, apiKey: "wrong", maxRetries: 0 });

    expect(said).toBe("one two");
    expect(listed.data.map(({ id }) => id)).toEqual([...TIERS, "a:latest"]);
    expect(notFound).toMatchObject({ status: "rejected", reason: { status: 404 } });
    expect(tooLong).toMatchObject({ status: "rejected", reason: { status: 413 } });
    expect(String(tooLong.status === "rejected" ? tooLong.reason : "")).toContain("longer than");
    await expect(stranger.models.list()).rejects.toMatchObject({ status: 401 });
  });

  it("is closed by one setting", async () => {
    const running = await start(undefined, { DROVER_HTTP_GATEWAY: "false" });

    const answer = await running.request("GET", "/ollama/api/tags");

    expect(answer.status).toBe(403);
    expect(JSON.stringify(answer.body)).toContain("http.gateway");
  });
});

describe("a database of the release before models", { timeout: LIMIT_MS }, () => {
  const TAKE_BACK = `
    const { Database } = require("bun:sqlite");
    for (const [path, ...tables] of JSON.parse(process.argv[1])) {
      const database = new Database(path);
      for (const table of tables) database.run("DROP TABLE " + table);
      database.run("DELETE FROM schema_migration WHERE number > 1");
    }`;
  const tablesSince = (migrations: readonly Migration[]): readonly string[] =>
    migrations
      .filter(({ number }) => number > 1)
      .flatMap(({ sql }) => sql)
      .flatMap((text) => /^\s*CREATE TABLE (\w+)/.exec(text)?.[1] ?? []);

  it("is brought up to date with its tasks, and what it was is kept", async () => {
    const older = await start([]);
    const { id } = await submitTask(older, { title: "older", command: ["true"] });
    await taskEnds(older, id);
    await older.stop();
    const files = [join(world.state, "fleet.db"), join(world.state, "node.db")] as const;
    const back = JSON.stringify([
      [files[0], ...tablesSince(FLEET_MIGRATIONS)],
      [files[1], ...tablesSince(NODE_MIGRATIONS)],
    ]);
    const taken = spawnSync(process.execPath, ["-e", TAKE_BACK, back], { encoding: "utf8" });
    server.enqueue(write("hello\n"), reply().text("Done."));

    const newer = await start();
    const { id: next } = await submitTask(newer, GREETING);

    expect(taken).toMatchObject({ status: 0, stderr: "" });
    expect((await taskEnds(newer, next)).state).toBe("done");
    expect((await seeTask(newer, id)).state).toBe("done");
    for (const file of files) expect(existsSync(`${file}.before-2`)).toBe(true);
  });
});

describe("a hostile model", { timeout: LIMIT_MS }, () => {
  it("reaches nothing outside its workspace and leaves nothing behind", async () => {
    const repository = join(world.path, "repository");
    mkdirSync(repository);
    const made = spawnSync("sh", ["-c", MAKE_REPOSITORY], { cwd: repository });
    if (process.getuid?.() === 0) spawnSync("sh", ["-c", `chmod 711 ${world.path}; chown -R nobody: ${repository}`]);
    const running = await start();
    const users = readFileSync("/etc/passwd", "utf8");
    server.enqueue(
      reply().toolCall("write_file", { path: "/etc/passwd", content: "x" }),
      reply().toolCall("read_file", { path: "../../token" }),
      reply().toolCall("write_file", { path: ".git/config", content: "[core]\nfsmonitor = evil" }),
      shell(
        `cat ${world.state}/token ../../token; env; echo x >> .git/config; echo x > .git/hooks/post-checkout; true`,
      ),
      shell("(setsid sleep 313 >/dev/null 2>&1 &); nohup sleep 314 >/dev/null 2>&1 & echo started"),
      reply().text("\u001b[31mDone."),
    );

    const { id } = await submitTask(running, { title: "evil", prompt: "Help.", repo: repository });
    const task = await taskEnds(running, id);
    const logs = await command(world, ["task", "logs", id]);
    await waitUntil("what it started is gone", () =>
      world.processes().every(({ command: line }) => !line.startsWith("sleep")),
    );

    expect(made.status).toBe(0);
    expect(task.state).toBe("done");
    expect(readFileSync("/etc/passwd", "utf8")).toBe(users);
    expect(JSON.stringify(server.chats.map(({ body }) => body))).not.toContain(running.token);
    expect(readFileSync(join(repository, ".git/config"), "utf8")).not.toContain("evil");
    expect(readdirSync(join(repository, ".git/hooks"))).not.toContain("post-checkout");
    expect(logs.stdout).not.toContain("\u001b");
  });

  const MAKE_REPOSITORY =
    "git init -q . && echo one > a.txt && git add . && git -c user.name=t -c user.email=t@example.invalid commit -qm one";
});

describe("a configuration", { timeout: LIMIT_MS }, () => {
  const wrong: readonly { readonly what: string; readonly text: string; readonly says: string }[] = [
    { what: "an address of no server", text: '[[endpoints]]\nurl = "ftp://x"', says: "http://HOST:PORT" },
    { what: "a password in an address", text: '[[endpoints]]\nurl = "http://a:b@h:1"', says: "api_key_file" },
    { what: "one name twice", text: twoEndpoints("x", "x"), says: "named x" },
    { what: "a context too small for any task", text: "[limits]\ncontext_tokens = 100", says: "2048" },
    { what: "a host that is none", text: '[sandbox]\nallow_hosts = ["https://x.y/z"]', says: "example.org" },
  ];
  it.each(wrong)("with $what is refused by its check and by a node", async ({ text, says }) => {
    const file = join(world.path, "drover.toml");
    writeFileSync(file, text);

    const checked = await command(world, ["config", "check", "--config", file]);
    const started = await command(world, ["up", "--config", file]);

    expect(checked.code).toBe(2);
    expect(checked.stderr).toContain(says);
    expect(started.code).toBe(2);
    expect(started.stderr).toContain(says);
    expect(existsSync(join(world.state, "node.json"))).toBe(false);
  });
});

function twoEndpoints(one: string, other: string): string {
  return `[[endpoints]]\nurl = "http://a:1"\nname = "${one}"\n[[endpoints]]\nurl = "http://b:1"\nname = "${other}"`;
}

function idIn(text: string): string {
  return /t_[0-9a-z]+/.exec(text)?.[0] ?? "";
}

/** @returns how long each look at the node took, the shortest first. */
async function lookFor(running: BinaryNode, spanMs: number): Promise<readonly number[]> {
  const times: number[] = [];
  const endMs = performance.now() + spanMs;
  while (performance.now() < endMs) {
    const beganMs = performance.now();
    await running.request("GET", "/health/live");
    times.push(performance.now() - beganMs);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return times.sort((a, b) => a - b);
}
