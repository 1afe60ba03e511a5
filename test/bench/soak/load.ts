/** What a fleet is given to do while it is watched, and the script that stands in for a model. */
import { z } from "zod";
import type { FleetNode } from "../../demo/fleet-node.ts";
import { reply, type ScriptedReply } from "../../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../../support/models/scripted-server.ts";

/** One of so many shell tasks fails for good. */
const FAILS_EACH = 20;

const receiptSchema = z.unknown();

export type Given = { seconds: number; tasks: number; goals: number; refused: number };

/** A server of models that says what a goal of this load needs, and nothing else. */
export async function startModel(): Promise<ScriptedServer> {
  const server = await startScriptedServer({ models: [{ name: "scripted", capabilities: ["completion", "tools"] }] });
  return server.otherwise(({ body }) => answerTo(body));
}

function answerTo(body: unknown): ScriptedReply {
  // `as`: what /api/chat takes.
  const { messages = [] } = body as { readonly messages?: readonly { role: string; content?: string }[] };
  const said = messages.map(({ content = "" }) => content).join("\n");
  const name = /soak-\d+/.exec(said)?.[0] ?? "soak-0";
  if (said.includes("# Task: plan:")) return reply().text(planFor(name));
  if (messages.at(-1)?.role === "tool") return reply().text("The file is written.");
  return reply().toolCall("write_file", { path: "notes.txt", content: `${name}\n` });
}

function planFor(name: string): string {
  const verify = [{ kind: "file_contains", path: "notes.txt", pattern: name }];
  return JSON.stringify({
    tasks: [{ key: "note", title: name, prompt: `Write ${name} into notes.txt.`, verify }],
  });
}

/** Hands in what one second brings, on the nodes in turns. What is refused is counted, and not tried again. */
export async function handIn(
  nodes: readonly FleetNode[],
  given: Given,
  { tasks: count, withGoal }: { readonly tasks: number; readonly withGoal: boolean },
): Promise<void> {
  const node = nodes[given.seconds % nodes.length];
  if (node === undefined) return;
  given.seconds += 1;
  const tasks = Array.from({ length: count }, (_unused, index) => ({
    title: `soak ${given.tasks + index}`,
    command: ["sh", "-c", (given.tasks + index) % FAILS_EACH === 0 ? "echo no >&2; exit 1" : "seq 1 200; sleep 0.05"],
    maxAttempts: 1,
  }));
  given.tasks += count;
  await node.ask(receiptSchema, "/api/tasks", tasks).catch(() => (given.refused += 1));
  if (!withGoal) return;
  given.goals += 1;
  const title = `soak-${given.goals}`;
  const verify = [{ kind: "file_contains", path: "notes.txt", pattern: title }];
  await node
    .ask(receiptSchema, "/api/goals", { title, description: `Note ${title}.`, repository: "soak", verify })
    .catch(() => (given.refused += 1));
}
