/** Tasks of a node, as its API shows them. */
import { z } from "zod";
import { sleep } from "#base";
import type { BinaryNode } from "./binary-node.ts";
import { realClock } from "./real-clock.ts";

/** The fields that the suites look at; the API's own tests cover the rest. */
const taskSchema = z.object({
  id: z.string(),
  title: z.string(),
  state: z.string(),
  reason: z.object({ code: z.string(), text: z.string() }).nullable(),
  attempts: z.array(z.object({ n: z.int(), outcome: z.string(), error: z.string().nullable() })),
});
export type SeenTask = z.infer<typeof taskSchema>;

const LOOK_MS = 20;
const LIMIT_MS = 30_000;

/** @returns the task that was made; anything but 201 fails the test with the answer. */
export async function submitTask(node: BinaryNode, body: object): Promise<SeenTask> {
  const answer = await node.request("POST", "/api/tasks", body);
  if (answer.status !== 201) throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return taskSchema.parse(answer.body);
}

export async function seeTask(node: BinaryNode, id: string): Promise<SeenTask> {
  const answer = await node.request("GET", `/api/tasks/${id}`);
  if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return taskSchema.parse(answer.body);
}

/** Waits until the task is as wanted; throws with what it is when that takes too long. */
export async function taskBecomes(
  node: BinaryNode,
  id: string,
  what: string,
  holds: (task: SeenTask) => boolean,
): Promise<SeenTask> {
  const endMs = realClock.monotonicMs() + LIMIT_MS;
  for (;;) {
    const task = await seeTask(node, id);
    if (holds(task)) return task;
    if (realClock.monotonicMs() > endMs) throw new Error(`waited in vain: ${what}; it is ${JSON.stringify(task)}`);
    await sleep(realClock, LOOK_MS);
  }
}

export function taskEnds(node: BinaryNode, id: string): Promise<SeenTask> {
  return taskBecomes(node, id, `${id} ends`, ({ state }) => ["done", "dead", "cancelled"].includes(state));
}
