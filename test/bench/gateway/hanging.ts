/** Does a model server, or a tool of a graphics card, that never answers delay anything but those who wait for it? */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { distributionOf } from "#telemetry";
import type { Silence } from "./backend.ts";
import type { Server } from "./processes.ts";
import { ask, targetAt } from "./requests.ts";

/** A probe of health is answered at most 100 times a second by a node's own limit. */
const PER_SECOND = 40;
const HANGING = 32;
/** Long enough for the node to notice by its own polling that a server is silent. */
const SETTLE_MS = 3_000;

const PATHS = ["/api/node", "/health/live"] as const;

/** Prints answer times of the API before, while requests hang at an endpoint, and while that answers nothing at all. */
export async function measureHanging(backend: Server, node: Server, seconds: number): Promise<void> {
  console.log(`\n${PATHS.join(" and ")} ${PER_SECOND} times a second each for ${seconds} s, milliseconds`);
  await sample("all is well", node, seconds);
  const leaving = new AbortController();
  for (const [silence, title] of [
    ["chat", `${HANGING} replies hang`],
    ["all", `${2 * HANGING} replies hang, and the server answers nothing`],
  ] as const) {
    await silent(backend, silence);
    const open = hang(node, leaving.signal);
    await new Promise((wake) => setTimeout(wake, SETTLE_MS));
    await sample(title, node, seconds);
    console.log(`  of ${HANGING} requests begun with it, ${open()} are still open`);
  }
  leaving.abort();
  await silent(backend, "none");
}

/** @returns a folder with an nvidia-smi that never answers and does not end when it is asked to. */
export function hangingTools(home: string): string {
  const folder = join(home, "tools");
  mkdirSync(folder, { recursive: true });
  const script = "#!/bin/sh\ntrap '' TERM INT HUP\nwhile :; do sleep 1; done\n";
  writeFileSync(join(folder, "nvidia-smi"), script, { mode: 0o755 });
  return folder;
}

/** Prints answer times of a node that was started with {@link hangingTools}, from its start on. */
export async function measureHangingTool(node: Server, seconds: number): Promise<void> {
  await sample("nvidia-smi hangs, from the start of the node on", node, seconds);
  const { notes } = (await (await request(node, "/api/hw")).json()) as { readonly notes: readonly string[] }; // `as`: of drover
  console.log(`  the node says: ${notes.join("; ")}`);
}

async function silent(backend: Server, silence: Silence): Promise<void> {
  await fetch(`${backend.url}/silence/${silence}`);
}

/** Begins requests that will not be answered. @returns how many of them are still open. */
function hang(node: Server, signal: AbortSignal): () => number {
  let open = HANGING;
  for (let index = 0; index < HANGING; index += 1) {
    const dialect = index % 2 === 0 ? "ollama" : "openai";
    const left = (): void => {
      open -= 1;
    };
    ask(targetAt(`${node.url}/${dialect}`, node.token, dialect), 1, 0, signal).then(left, left);
  }
  return () => open;
}

/** Asks at fixed times, whether or not earlier ones were answered, and counts from the time it should have been sent. */
async function sample(title: string, node: Server, seconds: number): Promise<void> {
  const times = new Map<string, number[]>(PATHS.map((path) => [path, []]));
  const faults: string[] = [];
  const pending: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let index = 0; index < seconds * PER_SECOND; index += 1) {
    const dueMs = startedMs + (index * 1_000) / PER_SECOND;
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await new Promise((wake) => setTimeout(wake, waitMs));
    for (const path of PATHS) {
      pending.push(
        get(node, path).then(
          () => void times.get(path)?.push(performance.now() - dueMs),
          (cause: unknown) => void faults.push(String(cause)),
        ),
      );
    }
  }
  await Promise.all(pending);
  console.log(title);
  for (const [path, values] of times) {
    const { p50, p95, p99, max, count } = distributionOf(values);
    const shown = [p50, p95, p99, max].map((ms) => ms.toFixed(2).padStart(8)).join(" ");
    console.log(`  ${path.padEnd(14)} p50 p95 p99 max ${shown}   of ${count}`);
  }
  if (faults.length > 0) console.log(`  ${faults.length} were not answered: ${faults[0] ?? ""}`);
}

async function get(node: Server, path: string): Promise<void> {
  const answer = await request(node, path);
  await answer.arrayBuffer();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
}

function request(node: Server, path: string): Promise<Response> {
  return fetch(`${node.url}${path}`, { headers: { authorization: `Bearer ${node.token}` } });
}
