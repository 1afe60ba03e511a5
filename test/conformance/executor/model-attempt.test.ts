import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  containing,
  lastOf,
  type ModelWorld,
  messagesIn,
  repositoryOf,
  worldAt,
} from "../../support/model-attempt-world.ts";
import { gate, reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const folder = temporaryFolders();
const SUBTRACTS = "export function add(a, b) {\n  return a - b;\n}\n";
const ADDS = SUBTRACTS.replace("-", "+");
const FIX = { path: "src/add.js", old_text: "return a - b;", new_text: "return a + b;" };
const CHECKS = [
  { kind: "file_exists", path: "src/add.js" },
  { kind: "test_passes", command: ["sh", "-c", "grep -F 'a + b' src/add.js || { echo no sum in add.js; exit 1; }"] },
];

let server: ScriptedServer;
let world: ModelWorld;
let repo: string;

beforeEach(async () => {
  server = await startScriptedServer();
  repo = repositoryOf(folder(), { "src/add.js": SUBTRACTS });
  world = worldAt(folder(), server.url);
  await world.startNode();
});

afterEach(async () => {
  await world.stop();
  await server.stop();
});

describe("an attempt at a prompt", () => {
  test("edits a file of a repository's worktree through tools, and passes its verification", async () => {
    const seen = gate();
    server.enqueue(
      reply().thinking("I look first.").toolCall("read_file", { path: "src/add.js" }),
      reply().headers().waitFor(seen.opened).toolCall("edit_file", FIX),
      reply().text("I replaced the minus by a plus."),
    );

    const request = await world.launch({ title: "Mend add", repo, verify: CHECKS });
    const shown = await waitUntil("progress is told", () => world.progress("ask 2"));
    seen.open();
    const result = await world.resultOf(request);

    expect(result).toMatchObject({
      outcome: "passed",
      report: { passed: true, checks: [{ passed: true }, { passed: true }] },
      sandbox: request.sandbox.mode,
      model: {
        tier: "standard",
        classifiedTier: "complex",
        isJudged: true,
        tierReason: "said by the test",
        endpoint: "one",
        model: "m:latest",
        replies: 3,
        promptTokens: 33,
        completionTokens: 21,
        costMicrodollars: 3 * (11 + 2 * 7),
        calls: [{ model: "m:latest", calls: 2, repaired: 0, unreadable: 0 }],
        ended: "the model said it was finished",
        lastWords: "I replaced the minus by a plus.",
        remaining: [],
        corrections: [],
      },
    });
    expect(result.model?.completed).toContain("files changed: src/add.js");
    expect(readFileSync(join(world.workspaceOf(request), "src/add.js"), "utf8")).toBe(ADDS);
    expect(readFileSync(join(repo, "src/add.js"), "utf8")).toBe(SUBTRACTS);
    expect(lastOf(server.chats[1])).toMatchObject({
      role: "tool",
      content: containing("2|  return a - b;"),
    });
    expect(lastOf(server.chats[2]).content).toContain("Edited src/add.js");
    const log = world.logOf(request);
    for (const step of ["ask 1", "call read_file", "ok edit_file", "reply 3 of m:latest on one", "ended: the model"]) {
      expect(log).toContain(step);
    }
    expect(shown.ratio).toBe(0.1);
    expect(world.inference.usage.map(({ taskId, attempt }) => [taskId, attempt])).toEqual(
      Array.from({ length: 3 }, () => [request.taskId, 1]),
    );
  });

  test("whose first end fails a check is told which, and passes in the second round of one conversation", async () => {
    server.enqueue(
      reply().toolCall("read_file", { path: "src/add.js" }),
      reply().text("Nothing is wrong with it."),
      reply().toolCall("edit_file", FIX),
      reply().text("Corrected."),
    );

    const result = await world.run({ title: "Mend add", repo, verify: CHECKS });

    expect(result).toMatchObject({
      outcome: "passed",
      model: { replies: 4, promptTokens: 44, completionTokens: 28, costMicrodollars: 4 * 25 },
    });
    expect(result.model?.corrections).toMatchObject([{ passed: false, checks: [{ passed: true }, { passed: false }] }]);
    const told = lastOf(server.chats[2]);
    expect(told.role).toBe("user");
    expect(told.content).toContain("1 of 2 checks passed");
    expect(told.content).toContain("no sum in add.js");
    expect(told.content).toContain("correction 1 of 1");
    expect(messagesIn(server.chats[2]).map(({ content }) => content)).toContain("Nothing is wrong with it.");
  });

  test("that is corrected in vain fails with both reports", async () => {
    server.enqueue(reply().text("Done."), reply().text("Really done."));

    const result = await world.run({ title: "Mend add", repo, verify: CHECKS });

    expect(result).toMatchObject({ outcome: "failed", consequence: "retryable", report: { passed: false } });
    expect(result.error).toContain("1 of 2 checks failed");
    expect(result.model?.corrections).toHaveLength(1);
    expect(result.model?.remaining).toHaveLength(1);
    expect(server.chats).toHaveLength(2);
  });

  test("that reaches its iterations keeps the partial work, has it checked, and says what is done and what remains", async () => {
    server.enqueue(
      reply().toolCall("write_file", { path: "a.txt", content: "first\n" }),
      reply().text("- [ ] write b.txt").toolCall("list_directory", {}),
    );
    const verify = ["a.txt", "b.txt"].map((path) => ({ kind: "file_exists", path }));

    const request = await world.launch(
      { title: "Two files", repo, verify },
      { limits: { iterations: 2 }, corrections: 0 },
    );
    const result = await world.resultOf(request);

    expect(result).toMatchObject({
      outcome: "partial_pass",
      consequence: "retryable",
      report: { passed: false, checks: [{ passed: true }, { passed: false }] },
    });
    expect(result.error).toContain("all 2 iterations");
    expect(result.model?.completed).toEqual([containing("a.txt"), "files changed: a.txt"]);
    expect(result.model?.remaining).toEqual([containing("b.txt"), "said: write b.txt", containing("all 2 iterations")]);
    expect(readFileSync(join(world.workspaceOf(request), "a.txt"), "utf8")).toBe("first\n");
    expect(lastOf(server.chats[1]).content).toContain("This is your last reply with tools.");
  });
});
