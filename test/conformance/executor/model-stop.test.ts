import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LaunchRequest } from "#execution";
import {
  containing,
  lastOf,
  type ModelWorld,
  messagesIn,
  readIfThere,
  worldAt,
} from "../../support/model-attempt-world.ts";
import { reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { sleeping, uniqueSeconds } from "./running-processes.ts";

const folder = temporaryFolders();
const WRITE = { path: "a.txt", content: "written\n" };
const TWO_FILES = {
  title: "Two files",
  verify: ["a.txt", "b.txt"].map((path) => ({ kind: "file_exists", path })),
};

let server: ScriptedServer;
let world: ModelWorld;
let seconds: string;

beforeEach(async () => {
  seconds = uniqueSeconds();
  server = await startScriptedServer();
  world = worldAt(folder(), server.url);
  await world.startNode();
});

afterEach(async () => {
  await world.stop();
  await server.stop();
});

function workspaceFile(request: LaunchRequest, name: string): string | undefined {
  return readIfThere(join(world.workspaceOf(request), name));
}

/** Launches an attempt that writes a file, and then is within its second reply. */
async function streaming(spec: Readonly<Record<string, unknown>> = TWO_FILES): Promise<LaunchRequest> {
  server.enqueue(reply().toolCall("write_file", WRITE), reply().text("I th").silence());
  const request = await world.launch(spec);
  await server.chat(2);
  return request;
}

/** Launches an attempt whose command runs, after it has noted that it does. */
async function commanding(spec: Readonly<Record<string, unknown>> = TWO_FILES): Promise<LaunchRequest> {
  server.enqueue(reply().toolCall("run_command", { command: `echo ran >> ran.txt; sleep ${seconds}; echo late` }));
  const request = await world.launch(spec);
  await waitUntil("the command runs", () => sleeping(seconds).length > 0);
  return request;
}

describe("cancelling an attempt", () => {
  test("within a reply leaves the request, keeps the work, and is final", async () => {
    const request = await streaming();

    world.node.pool.cancel(request.taskId, "no longer wanted");
    const result = await world.resultOf(request);

    expect(result).toMatchObject({
      outcome: "cancelled",
      error: "no longer wanted",
      report: { skipped: "not checked: no longer wanted" },
      model: { replies: 1, ended: "no longer wanted", completed: ["files changed: a.txt"] },
    });
    expect(result.consequence).toBeUndefined();
    expect(await server.chats[1]?.ended).toBe("abandoned");
    expect(workspaceFile(request, "a.txt")).toBe("written\n");
  });

  test("within a command ends everything that the command started", async () => {
    const request = await commanding();

    world.node.pool.cancel(request.taskId, "no longer wanted");
    const result = await world.resultOf(request);

    expect(result).toMatchObject({ outcome: "cancelled", error: "no longer wanted" });
    expect(sleeping(seconds)).toEqual([]);
    expect(server.chats).toHaveLength(1);
  });
});

describe("a stop within the checks", () => {
  /** Holds until `go` is there, and then says that all is well. */
  const verify = () => [{ kind: "command_succeeds", command: ["sh", "-c", `test -f go || sleep ${seconds}`] }];

  test("by a person makes the attempt cancelled, and corrects nothing", async () => {
    server.enqueue(reply().text("Done."));
    const request = await world.launch({ title: "Wait", verify: verify() });
    await waitUntil("the check runs", () => sleeping(seconds).length > 0);

    world.node.pool.cancel(request.taskId, "no longer wanted");
    const result = await world.resultOf(request);

    expect(result).toMatchObject({ outcome: "cancelled", model: { ended: "no longer wanted", corrections: [] } });
    expect(server.chats).toHaveLength(1);
  });

  test("by a machine has the next attempt check again what was done, without asking a model", async () => {
    server.enqueue(reply().text("Done."));
    const request = await world.launch({ title: "Wait", verify: verify() });
    await waitUntil("the check runs", () => sleeping(seconds).length > 0);

    process.kill(await world.workerOf(request), "SIGTERM");
    const stopped = await world.resultOf(request);
    writeFileSync(join(world.workspaceOf(request), "go"), "");
    const result = await world.resultOf(await world.again(request));

    expect(stopped).toMatchObject({ outcome: "cancelled", consequence: "retryable" });
    expect(result).toMatchObject({ outcome: "passed", model: { replies: 1, corrections: [] } });
    expect(server.chats).toHaveLength(1);
  });
});

describe("an attempt past a limit", () => {
  test("of time within a reply is timed out when it has nothing to show, and says what to raise", async () => {
    server.enqueue(reply().headers().silence());

    const result = await world.run({ title: "Be quick", deadlineMs: 300 });

    expect(result).toMatchObject({ outcome: "timed_out", consequence: "retryable", model: { replies: 0 } });
    expect(result.error).toContain("wall limit of 300 ms. Raise deadlineMs");
    expect(await server.chats[0]?.ended).toBe("abandoned");
  });

  test("of time within a command ends the command, and what was done before is checked", async () => {
    server.enqueue(reply().toolCall("write_file", WRITE));

    const request = await commanding({ ...TWO_FILES, deadlineMs: 2_500 });
    const result = await world.resultOf(request);

    expect(result).toMatchObject({
      outcome: "partial_pass",
      report: { checks: [{ passed: true }, { passed: false }] },
    });
    expect(result.model?.remaining).toContainEqual(containing("wall limit of 2500 ms"));
    expect(sleeping(seconds)).toEqual([]);
  });

  test("of tokens keeps the partial work, and no further reply is paid for", async () => {
    server.enqueue(
      reply().toolCall("write_file", WRITE).ending({ promptTokens: 3_900, completionTokens: 200 }),
      reply().text("one too many"),
    );

    const result = await world.run(TWO_FILES, { limits: { tokens: 4_000 } });

    expect(result).toMatchObject({
      outcome: "partial_pass",
      model: { promptTokens: 3_900, completionTokens: 200, replies: 1 },
    });
    expect(result.error).toContain("used 4100 of 4000 tokens");
    expect(server.chats).toHaveLength(1);
  });

  test("of the node's budget ends with the reason, and may be tried again another day", async () => {
    await world.stop();
    world = worldAt(folder(), server.url, {
      ports: { admit: () => ({ kind: "refused", reason: "the budget of the day is used up", retryAfterMs: null }) },
    });
    await world.startNode();

    const result = await world.run(TWO_FILES);

    expect(result).toMatchObject({ outcome: "failed", consequence: "retryable" });
    expect(result.error).toContain("the budget of the day is used up");
    expect(server.chats).toHaveLength(0);
  });
});

describe("a machine's stop", () => {
  test("within a reply leaves the work to the next attempt, which goes on in the same conversation", async () => {
    const request = await streaming();
    server.enqueue(reply().toolCall("write_file", { path: "b.txt", content: "too\n" }), reply().text("Both."));

    process.kill(await world.workerOf(request), "SIGTERM");
    const stopped = await world.resultOf(request);
    const result = await world.resultOf(await world.again(request));

    expect(stopped).toMatchObject({ outcome: "cancelled", consequence: "retryable", model: { replies: 1 } });
    // Tokens are counted to the attempt that used them: the first reply was the stopped one's.
    expect(result).toMatchObject({ outcome: "passed", model: { replies: 3, promptTokens: 22 } });
    expect(messagesIn(server.chats[2])).toEqual(messagesIn(server.chats[1]));
  });

  test("within a command tells the next attempt that it was stopped, and does not run it again", async () => {
    const request = await commanding({ title: "Run it" });
    server.enqueue(reply().text("It was stopped; that is enough."));

    process.kill(await world.workerOf(request), "SIGTERM");
    await world.resultOf(request);
    const next = await world.again(request);
    const result = await world.resultOf(next);

    expect(result).toMatchObject({ outcome: "passed", model: { replies: 2 } });
    expect(lastOf(server.chats[1])).toMatchObject({ role: "tool", content: containing("stopped") });
    expect(readFileSync(join(world.workspaceOf(request), "ran.txt"), "utf8")).toBe("ran\n");
    expect(sleeping(seconds)).toEqual([]);
  });

  test("by the node's own end leaves the work to the next attempt under the next node", async () => {
    const request = await streaming({ title: "Go on" });
    server.enqueue(reply().text("Done."));

    await world.stop();
    const stopped = await world.resultOf(request);
    await world.startNode();
    const result = await world.resultOf(await world.again(request));

    expect(stopped).toMatchObject({ outcome: "cancelled", consequence: "retryable", error: "the node shuts down" });
    expect(result).toMatchObject({ outcome: "passed", model: { replies: 2, lastWords: "Done." } });
  });
});
