import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CrashLabel, checkpointPathOf, type LaunchRequest } from "#execution";
import {
  containing,
  lastOf,
  type ModelWorld,
  messagesIn,
  readIfThere,
  repositoryOf,
  worldAt,
} from "../../support/model-attempt-world.ts";
import { reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { sleeping, uniqueSeconds } from "./running-processes.ts";

const folder = temporaryFolders();
const APPEND = { command: "echo ran >> effects.txt" };
const MAY_HAVE_RUN = "may or may not have run";

let server: ScriptedServer;
let world: ModelWorld;
let repo: string;

beforeEach(async () => {
  server = await startScriptedServer();
  repo = repositoryOf(folder(), { "a.txt": "one\n" });
  world = worldAt(folder(), server.url);
  await world.startNode();
});

afterEach(async () => {
  await world.stop();
  await server.stop();
});

function effectsOf(request: LaunchRequest): string | undefined {
  return readIfThere(join(world.workspaceOf(request), "effects.txt"));
}

/** Runs a first attempt up to the death of its worker. */
async function lose(label: CrashLabel, spec: Readonly<Record<string, unknown>> = {}): Promise<LaunchRequest> {
  return dying(label, () => world.launch({ title: "Go on", repo, ...spec }));
}

async function dying(label: CrashLabel, launch: () => Promise<LaunchRequest>): Promise<LaunchRequest> {
  world.workerEnv["CRASH_AT"] = label;
  const request = await launch();
  await world.lossOf(request);
  delete world.workerEnv["CRASH_AT"];
  return request;
}

/** Takes back what a worker noted last, as if it had died a moment before. */
function forgetLastEntry(request: LaunchRequest): void {
  const path = checkpointPathOf(world.stateDir, request.taskId);
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  writeFileSync(path, `${lines.slice(0, -1).join("\n")}\n`);
}

describe("the attempt after a worker that was killed", () => {
  test("just after a command goes on with its result, and does not run it again", async () => {
    server.enqueue(reply().toolCall("run_command", APPEND), reply().text("It ran."));

    const lost = await lose("worker:after-tool");
    const next = await world.again(lost);
    const result = await world.resultOf(next);

    expect(result).toMatchObject({ outcome: "passed", model: { replies: 2, promptTokens: 11, lastWords: "It ran." } });
    expect(effectsOf(lost)).toBe("ran\n");
    expect(server.chats).toHaveLength(2);
    expect(lastOf(server.chats[1])).toMatchObject({ role: "tool", content: containing("Exit code 0.") });
    expect(world.logOf(next)).toContain("resumed after reply 1");
  });

  test("before its result is checked again, and no model is asked again", async () => {
    server.enqueue(reply().toolCall("run_command", APPEND), reply().text("It ran."));
    const verify = [{ kind: "file_contains", path: "effects.txt", pattern: "/^ran\\n$/" }];

    const lost = await lose("worker:before-result", { verify });
    const result = await world.resultOf(await world.again(lost));

    expect(result).toMatchObject({ outcome: "passed", report: { passed: true }, model: { replies: 2 } });
    expect(server.chats).toHaveLength(2);
  });

  test("after a correction still has the report of the round before it in its result", async () => {
    server.enqueue(
      reply().text("I have nothing to do."),
      reply().toolCall("run_command", APPEND),
      reply().text("It ran."),
    );
    const verify = [{ kind: "file_contains", path: "effects.txt", pattern: "ran" }];

    const lost = await lose("worker:before-result", { verify });
    const result = await world.resultOf(await world.again(lost));

    expect(result).toMatchObject({
      outcome: "passed",
      model: { replies: 3, corrections: [{ passed: false, checks: [{ kind: "file_contains", passed: false }] }] },
    });
    expect(server.chats).toHaveLength(3);
  });

  test("within a command is told that it may have run, and only the model's own word runs it again", async () => {
    const seconds = uniqueSeconds();
    const command = { command: `echo ran >> effects.txt; sleep ${seconds}` };
    server.enqueue(
      reply().toolCall("run_command", command),
      reply().toolCall("read_file", { path: "effects.txt" }),
      reply().text("It had run."),
    );

    const lost = await world.launch({ title: "Go on", repo });
    // Not as soon as the file is there: the shell makes it before it writes.
    await waitUntil("the command ran", () => effectsOf(lost) === "ran\n");
    process.kill(await world.workerOf(lost), "SIGKILL");
    await world.lossOf(lost);
    const left = sleeping(seconds);
    const result = await world.resultOf(await world.again(lost));

    expect(left).toEqual([]);
    expect(result).toMatchObject({ outcome: "passed", model: { replies: 3 } });
    expect(effectsOf(lost)).toBe("ran\n");
    expect(lastOf(server.chats[1])).toMatchObject({ role: "tool", content: containing(MAY_HAVE_RUN) });
    expect(lastOf(server.chats[2]).content).toContain("1|ran");
  });

  test("between an edit and its note recognises the edit by the file, and does not apply it twice", async () => {
    const grow = { path: "a.txt", old_text: "one", new_text: "one\none" };
    server.enqueue(
      reply().toolCall("read_file", { path: "a.txt" }).toolCall("edit_file", grow),
      reply().text("It has two lines."),
    );

    const read = await lose("worker:after-tool");
    const edited = await dying("worker:after-tool", () => world.again(read));
    forgetLastEntry(edited);
    const result = await world.resultOf(await world.again(edited));

    expect(result).toMatchObject({ outcome: "passed", model: { completed: ["files changed: a.txt"] } });
    expect(readFileSync(join(world.workspaceOf(read), "a.txt"), "utf8")).toBe("one\none\n");
    expect(lastOf(server.chats[1]).content).toContain("was interrupted just after it was written");
  });

  test("finds a file changed meanwhile by somebody else, and says so to the model", async () => {
    server.enqueue(reply().toolCall("write_file", { path: "b.txt", content: "mine\n" }), reply().text("Seen."));

    const lost = await lose("worker:after-tool");
    writeFileSync(join(world.workspaceOf(lost), "b.txt"), "theirs\n");
    await world.resultOf(await world.again(lost));

    expect(lastOf(server.chats[1]).content).toContain("not as you left them");
    expect(lastOf(server.chats[1]).content).toContain("- b.txt");
  });

  test("within a reply asks for it again, and counts nothing twice", async () => {
    server.enqueue(reply().toolCall("run_command", APPEND), reply().text("It r").silence(), reply().text("It ran."));

    const lost = await world.launch({ title: "Go on", repo });
    const cutOff = await server.chat(2);
    process.kill(await world.workerOf(lost), "SIGKILL");
    await world.lossOf(lost);
    expect(await cutOff.ended).toBe("abandoned");
    const result = await world.resultOf(await world.again(lost));

    expect(result).toMatchObject({ outcome: "passed", model: { replies: 2, promptTokens: 11, lastWords: "It ran." } });
    expect(effectsOf(lost)).toBe("ran\n");
    expect(messagesIn(server.chats[2])).toEqual(messagesIn(server.chats[1]));
  });
});
