import { memoryOf } from "../machine/processes.ts";
import type { NodeProcess } from "./node-process.ts";

export type HttpSample = { readonly tasks: number; readonly residentBytes: number; readonly anonymousBytes: number };

const BATCH = 100;
const SAMPLES = 10;
/** Below the node's limit of 2,000 writes a second for one client, so that none is refused. */
const REQUESTS_PER_SECOND = 1_500;
const PARALLEL = 16;
/** Far enough that none of them becomes due. */
const LATER_MS = 86_400_000;

/**
 * Submits tasks that are due tomorrow and cancels each, over HTTP: what a node holds must not grow with what passed
 * through. @returns memory of the node's process as it went.
 */
export async function submitAndCancel(node: NodeProcess, tasks: number): Promise<readonly HttpSample[]> {
  const samples: HttpSample[] = [sample(node, 0)];
  const every = Math.max(BATCH, Math.round(tasks / SAMPLES));
  const startedMs = performance.now();
  let requests = 0;
  for (let done = 0; done < tasks; ) {
    const ids = await submit(node);
    requests += 1;
    for (let index = 0; index < ids.length; index += PARALLEL) {
      const some = ids.slice(index, index + PARALLEL);
      await Promise.all(some.map((id) => call(node, `/api/tasks/${id}/cancel`, {})));
      requests += some.length;
      const aheadMs = (requests / REQUESTS_PER_SECOND) * 1000 - (performance.now() - startedMs);
      if (aheadMs > 1) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    }
    done += ids.length;
    if (done % every < ids.length) samples.push(sample(node, done));
  }
  return samples;
}

async function submit(node: NodeProcess): Promise<readonly string[]> {
  const runAt = new Date(Date.now() + LATER_MS).toISOString();
  const task = { title: "footprint", executor: "shell", command: ["true"], runAt };
  // `as`: the API's documented answer.
  const answer = (await call(
    node,
    "/api/tasks",
    Array.from({ length: BATCH }, () => task),
  )) as {
    readonly tasks: readonly { readonly id: string }[];
  };
  return answer.tasks.map(({ id }) => id);
}

async function call(node: NodeProcess, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(new URL(path, node.url), {
    method: "POST",
    headers: { authorization: `Bearer ${node.token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

function sample(node: NodeProcess, tasks: number): HttpSample {
  const { residentBytes, anonymousBytes } = memoryOf(node.pid);
  return { tasks, residentBytes, anonymousBytes };
}
