/** A node in mode limits whose operator did not accept commands: what it carries out, and what it says of the rest. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sandboxSupport } from "#execution";
import { type ModelWorld, worldAt } from "../../support/model-attempt-world.ts";
import { reply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";
import { attemptOf } from "../../support/pool-world.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const folder = temporaryFolders();
const REFUSED = {
  reason: "sandbox mode limits does not keep commands from the files of this host",
  remedy: "Use a newer kernel, or accept it with sandbox.allow_unsandboxed = true",
};
const WITHOUT = { mode: "limits", commandsRefused: REFUSED } as const;
const ALLOWED = { mode: "limits", commandsRefused: null } as const;
const WRITE = { path: "made.txt", content: "Version: 12\n" };

let server: ScriptedServer;
let world: ModelWorld;

beforeEach(async () => {
  server = await startScriptedServer();
  world = worldAt(folder(), server.url);
  await world.startNode();
});

afterEach(async () => {
  await world.stop();
  await server.stop();
});

/** @returns the names of the tools that the model was offered with its n-th request. */
function toolsOffered(index: number): readonly string[] {
  // `as`: a request of the Ollama client, whose own tests hold it to that form.
  const body = server.chats[index]?.body as { readonly tools: readonly { function: { name: string } }[] } | undefined;
  return body?.tools.map((tool) => tool.function.name) ?? [];
}

/** What an attempt has come to that could not be carried out. */
function refusal(what: string): object {
  const error = `${what} is not carried out on this node: ${REFUSED.reason}. ${REFUSED.remedy}`;
  return { outcome: "failed", consequence: "terminal", error };
}

describe.runIf(sandboxSupport().modes.limits.available)("a node that starts no commands", () => {
  test("carries out a prompt with file tools and checks of files, and offers the model no run_command", async () => {
    server.enqueue(reply().toolCall("write_file", WRITE), reply().text("I wrote it."));

    const request = await world.launch(
      {
        title: "Write",
        verify: [
          { kind: "file_exists", path: "made.txt" },
          { kind: "file_contains", path: "made.txt", pattern: "/^version: \\d+$/im" },
        ],
      },
      { sandbox: { ...WITHOUT, allowedHosts: ["example.org"] } },
    );
    const result = await world.resultOf(request);

    expect(result).toMatchObject({ outcome: "passed", report: { passed: true } });
    expect(readFileSync(join(world.workspaceOf(request), "made.txt"), "utf8")).toBe(WRITE.content);
    expect(toolsOffered(0)).toContain("write_file");
    expect(toolsOffered(0)).not.toContain("run_command");
  });

  test("answers a model that calls run_command all the same that there is no such tool", async () => {
    const touch = { command: "touch ran" };
    server.enqueue(
      reply().toolCall("run_command", touch),
      reply().toolCall("write_file", WRITE),
      reply().text("Done."),
    );

    const request = await world.launch({ title: "Write" }, { sandbox: WITHOUT });
    await world.resultOf(request);

    expect(existsSync(join(world.workspaceOf(request), "ran"))).toBe(false);
    expect(existsSync(join(world.workspaceOf(request), "made.txt"))).toBe(true);
  });

  for (const check of [
    { kind: "command_succeeds", command: ["true"] },
    { kind: "test_passes", command: ["true"] },
    { kind: "git_clean" },
  ]) {
    test(`refuses a prompt with check ${check.kind} before a model is asked, and names the setting`, async () => {
      const result = await world.run({ title: "Write", verify: [check] }, { sandbox: WITHOUT });

      expect(result).toMatchObject(refusal(`check ${check.kind}`));
      expect(server.chats).toEqual([]);
    });
  }

  test("refuses an installed claude command", async () => {
    const options = { executor: "claude", claudeCommand: "/bin/true", sandbox: WITHOUT } as const;

    expect(await world.run({ title: "Write" }, options)).toMatchObject(refusal("executor.claude.command"));
  });

  for (const [sandbox, expected] of [
    [WITHOUT, refusal("executor shell")],
    [ALLOWED, { outcome: "passed", output: { head: "ran\n" } }],
  ] as const) {
    test(`has for a shell task, with allow_unsandboxed = ${sandbox === ALLOWED}, the end that is told`, async () => {
      const { pool, observer } = world.node;
      const request = attemptOf({ command: ["sh", "-c", "echo ran"] });
      await pool.launch({ ...request, sandbox: { ...request.sandbox, ...sandbox } });
      await waitUntil("the attempt is settled", () => pool.live.length === 0);

      expect(observer.result()).toMatchObject(expected);
    });
  }
});
