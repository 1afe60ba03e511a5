/** What people and programs send by mistake or on purpose: a clear answer, and nothing of it stays. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BinaryNode, BinaryWorld, type Environment, runBinary, startBinaryNode } from "../support/binary-node.ts";
import { submitTask } from "../support/node-tasks.ts";

let world: BinaryWorld;
let node: BinaryNode;

beforeAll(async () => {
  world = new BinaryWorld();
  node = await startBinaryNode(world);
  await submitTask(node, { ...task, idempotencyKey: "taken" });
});
afterAll(async () => {
  await node.kill();
  world.remove();
});

/** Never starts, so that the queue is at rest but for what a test does. */
const task = { title: "later", command: ["true"], runAt: "2999-01-01T00:00:00Z" };
const UNKNOWN_ID = "t_01m7yktv36ef58dr7wcmf09158";

/** All that a refused request could have left: counters, and the number of the last event. */
async function stored(): Promise<unknown> {
  const queue = await node.request("GET", "/api/queue");
  const events = await node.request("GET", "/api/events?tail=1");
  // `as`: an object by the API's contract; were it none, nothing would be compared to nothing, and the id be missing.
  return { queue: { ...(queue.body as object), nowMs: 0 }, events: events.body };
}

type Case = {
  readonly what: string;
  readonly body: unknown;
  readonly headers?: Environment;
  readonly status: number;
  /** What the answer has to name. */
  readonly names: string;
};

const many = (count: number): readonly object[] => Array.from({ length: count }, () => task);
const without = (body: Readonly<Record<string, unknown>>, name: string): object =>
  Object.fromEntries(Object.entries(body).filter(([key]) => key !== name));

const cases: readonly Case[] = [
  { what: "JSON that ends early", body: '{"title":', status: 400, names: "not JSON" },
  { what: "an empty body", body: "", status: 400, names: "empty" },
  { what: "a number", body: "17", status: 400, names: "expected object" },
  { what: "an empty batch", body: [], status: 400, names: "at least one" },
  { what: "ten thousand nested lists", body: "[".repeat(10_000) + "]".repeat(10_000), status: 400, names: "" },
  { what: "a title that is a number", body: { ...task, title: 5 }, status: 400, names: "title" },
  { what: "no title", body: without(task, "title"), status: 400, names: "title" },
  { what: "a command that is a string", body: { ...task, command: "make" }, status: 400, names: "command" },
  { what: "an empty command", body: { ...task, command: [] }, status: 400, names: "command" },
  { what: "a NUL in the command", body: { ...task, command: ["a\0b"] }, status: 400, names: "NUL" },
  { what: "neither command nor prompt", body: without(task, "command"), status: 422, names: "command" },
  { what: "an unknown field", body: { ...task, titel: "x" }, status: 400, names: 'did you mean \\"title\\"' },
  { what: "an unknown lane", body: { ...task, lane: "urgent" }, status: 400, names: "lane" },
  { what: "an unknown check", body: { ...task, verify: [{ kind: "luck" }] }, status: 400, names: "verify.0.kind" },
  {
    what: "a check without its path",
    body: { ...task, verify: [{ kind: "file_exists" }] },
    status: 400,
    names: "path",
  },
  { what: "an executor that is not there", body: { ...task, executor: "ollama" }, status: 422, names: "ollama" },
  { what: "no attempts at all", body: { ...task, maxAttempts: 0 }, status: 400, names: "maxAttempts" },
  { what: "attempts without end", body: { ...task, maxAttempts: 1e9 }, status: 400, names: "maxAttempts" },
  { what: "an instant that is none", body: { ...task, runAt: "tomorrow" }, status: 400, names: "runAt" },
  { what: "a reserved variable", body: { ...task, env: { LD_PRELOAD: "x" } }, status: 400, names: "LD_PRELOAD" },
  { what: "a line break in a label", body: { ...task, labels: { a: "b\nc" } }, status: 400, names: "labels.a" },
  { what: "a title of 201 characters", body: { ...task, title: "x".repeat(201) }, status: 400, names: "title" },
  {
    what: "an argument of 64 KiB and one",
    body: { ...task, command: ["x".repeat(65_537)] },
    status: 400,
    names: "command.0",
  },
  {
    what: "a task of more than 256 KiB",
    body: { ...task, command: Array.from({ length: 5 }, () => "x".repeat(60_000)) },
    status: 413,
    names: "262144",
  },
  { what: "a body of 5 MiB", body: "x".repeat(5 * 1024 * 1024), status: 413, names: "4194304" },
  { what: "1,001 tasks", body: many(1_001), status: 400, names: "1000" },
  { what: "a batch with one bad task", body: [...many(3), { ...task, title: "" }], status: 400, names: "3.title" },
  {
    what: "a dependency that is not there",
    body: { ...task, dependsOn: [UNKNOWN_ID] },
    status: 400,
    names: UNKNOWN_ID,
  },
  { what: "a dependency that is no id", body: { ...task, dependsOn: ["x"] }, status: 400, names: "dependsOn.0" },
  {
    what: "a task that depends on itself",
    body: [{ ...task, ref: "a", dependsOn: ["a"] }],
    status: 400,
    names: "circle",
  },
  {
    what: "tasks that depend on each other",
    body: [
      { ...task, ref: "a", dependsOn: ["c"] },
      { ...task, ref: "b", dependsOn: ["a"] },
      { ...task, ref: "c", dependsOn: ["b"] },
    ],
    status: 400,
    names: "circle",
  },
  {
    what: "a taken key with another body",
    body: { ...task, title: "another", idempotencyKey: "taken" },
    status: 409,
    names: "taken",
  },
  {
    what: "a taken key in the header, with another body",
    body: { ...task, title: "another" },
    headers: { "idempotency-key": "taken" },
    status: 409,
    names: "taken",
  },
  {
    what: "a key of 300 characters",
    body: task,
    headers: { "idempotency-key": "k".repeat(300) },
    status: 400,
    names: "Idempotency-Key",
  },
  {
    what: "a body that is not said to be JSON",
    body: task,
    headers: { "content-type": "text/plain" },
    status: 415,
    names: "application/json",
  },
  { what: "a wrong token", body: task, headers: { authorization: "Bearer wrong" }, status: 401, names: "token" },
  { what: "another host name", body: task, headers: { host: "evil.example" }, status: 403, names: "host" },
  {
    what: "a page of another origin",
    body: task,
    headers: { origin: "http://evil.example" },
    status: 403,
    names: "origin",
  },
];

describe("a submission", () => {
  it.each(cases)("with $what is refused with $status and changes nothing", async ({ body, headers, status, names }) => {
    const before = await stored();

    const answer = await node.request("POST", "/api/tasks", body, headers);

    expect([answer.status, answer.type]).toEqual([status, "application/problem+json"]);
    expect(answer.body).toMatchObject({ status });
    expect(answer.body).toHaveProperty("title");
    expect(answer.body).toHaveProperty("detail");
    expect(JSON.stringify(answer.body)).toContain(names);
    expect(await stored()).toEqual(before);
  });

  it("that is repeated under its key is answered with the same task and changes nothing", async () => {
    const before = await stored();

    const answer = await node.request("POST", "/api/tasks", { ...task, idempotencyKey: "taken" });

    expect(answer.status).toBe(200);
    expect(await stored()).toEqual(before);
  });

  it("of 8 MiB in chunks, its length not told, is given up at the limit and changes nothing", async () => {
    const before = await stored();

    const said = await chunked(8 * 1024 * 1024);

    expect(said.startsWith("HTTP/1.1 413") || said === "").toBe(true); // "": cut off while it was still sending
    expect(await stored()).toEqual(before);
    expect((await node.request("GET", "/health/ready")).status).toBe(200);
  });
});

/** Sends a body in chunks of 64 KiB and @returns what is answered until the connection ends. */
function chunked(bytes: number): Promise<string> {
  const { port } = new URL(node.url);
  const part = "x".repeat(64 * 1024);
  return new Promise((resolve) => {
    const socket = connect(Number(port), "127.0.0.1");
    let said = "";
    const head = `POST /api/tasks HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: Bearer ${node.token}\r\n`;
    socket.write(`${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`);
    for (let sent = 0; sent < bytes; sent += part.length) socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
    socket.write("0\r\n\r\n");
    socket.on("data", (data: Uint8Array) => {
      said += new TextDecoder().decode(data);
    });
    socket.on("error", () => undefined); // `close` follows
    socket.on("close", () => resolve(said));
  });
}

describe("a request", () => {
  const requests: readonly { readonly call: string; readonly status: number }[] = [
    { call: "GET /api/nothing", status: 404 },
    { call: "DELETE /api/tasks", status: 405 },
    { call: "GET /api/tasks/none", status: 404 },
    { call: `GET /api/tasks/${UNKNOWN_ID}`, status: 404 },
    { call: `POST /api/tasks/${UNKNOWN_ID}/cancel`, status: 404 },
    { call: `POST /api/tasks/${UNKNOWN_ID}/retry`, status: 404 },
    { call: "GET /api/tasks?state=asleep", status: 400 },
    { call: "GET /api/tasks?limit=-1", status: 400 },
    { call: "GET /api/tasks?cursor=none", status: 400 },
    { call: "GET /api/tasks?colour=red", status: 400 },
    { call: "GET /api/tasks/../../token", status: 404 },
  ];
  it.each(requests)("$call is answered with $status as a problem and changes nothing", async ({ call, status }) => {
    const [method = "", path = ""] = call.split(" ");
    const before = await stored();

    const answer = await node.request(method, path);

    expect([answer.status, answer.type]).toEqual([status, "application/problem+json"]);
    expect(await stored()).toEqual(before);
  });
});

describe("a command line", () => {
  const lines: readonly { readonly args: readonly string[]; readonly code: number; readonly says: string }[] = [
    { args: ["task", "add"], code: 2, says: "command" },
    { args: ["task", "add", "--lane", "urgent", "--", "true"], code: 2, says: "urgent" },
    { args: ["task", "add", "--max-attempts", "0", "--", "true"], code: 2, says: "max-attempts" },
    { args: ["task", "add", "--depends", UNKNOWN_ID, "--", "true"], code: 1, says: UNKNOWN_ID },
    { args: ["task", "add", "--idempotency-key", "taken", "--", "false"], code: 1, says: "taken" },
    { args: ["task", "add", "--title", "x".repeat(201), "--", "true"], code: 1, says: "title" },
    { args: ["task", "add", "--file", "none.json"], code: 2, says: "none.json" },
    { args: ["task", "show", "none"], code: 1, says: "none" },
    { args: ["task", "cancel", UNKNOWN_ID], code: 1, says: UNKNOWN_ID },
    { args: ["task", "frobnicate"], code: 2, says: "frobnicate" },
    { args: ["dead", "redrive", UNKNOWN_ID], code: 1, says: UNKNOWN_ID },
  ];
  it.each(lines)(
    "$args ends with $code, says why on the error output, and changes nothing",
    async ({ args, code, says }) => {
      const before = await stored();

      const ended = runBinary(["--state", world.state, ...args], { cwd: world.path, env: world.environment });

      expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code, stdout: "" });
      expect(ended.stderr).toContain(says);
      expect(await stored()).toEqual(before);
    },
  );
});
