/** A compiled hub with its own server, that this benchmark started on a state folder of its own. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "#base";
import { type NodeProcess, startNode } from "../footprint/node-process.ts";
import { memoryOf, treeCpuUs } from "../machine/processes.ts";

export type Hub = NodeProcess & {
  readonly serverPid: number;
  /** As the person at the hub. */
  readonly ask: (method: string, path: string, body?: unknown) => Promise<JsonObject>;
};

export async function startHub(binary: string, stateDir: string, durability: string): Promise<Hub> {
  const node = await startNode(binary, stateDir, {
    DROVER_NODE_ROLE: "hub",
    DROVER_HW_DISCOVER: "false",
    // An earlier release does not know the setting.
    ...(durability === "local" ? {} : { DROVER_STORE_DURABILITY: durability }),
  });
  const ask: Hub["ask"] = async (method, path, body) => {
    const response = await fetch(new URL(path, node.url), {
      method,
      headers: { authorization: `Bearer ${node.token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as JsonObject; // `as`: answers of the API are objects
  };
  return { ...node, serverPid: serverOf(stateDir), ask };
}

/** The process of the server: the one that has the folder of its database among its arguments. */
function serverOf(stateDir: string): number {
  const folder = join(stateDir, "hub");
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readFileSync(`/proc/${name}/cmdline`, "latin1").includes(folder)) return Number(name);
    } catch {
      // It ended in between.
    }
  }
  throw new Error(`no server runs on ${folder}`);
}

export type Cost = { readonly hubUs: number; readonly serverUs: number; readonly ms: number };

/** @returns processor time of hub and server from now on, asked when it is called. */
export function costFromNow(hub: Hub): () => Cost {
  const hubUs = treeCpuUs(hub.pid);
  const serverUs = treeCpuUs(hub.serverPid);
  const startedMs = performance.now();
  return () => ({
    hubUs: treeCpuUs(hub.pid) - hubUs,
    serverUs: treeCpuUs(hub.serverPid) - serverUs,
    ms: performance.now() - startedMs,
  });
}

export function memoryText(hub: Hub): string {
  const mib = (pid: number): string => (memoryOf(pid).residentBytes / 2 ** 20).toFixed(0);
  return `hub ${mib(hub.pid)} MiB, server ${mib(hub.serverPid)} MiB resident`;
}

export function coreShare(us: number, ms: number): string {
  return `${(us / ms / 10).toFixed(1)} %`;
}
