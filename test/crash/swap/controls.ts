/** Two usual ways to replace a server, under the same load: they must show failures, or the load could show none. */
import { join } from "node:path";
import { Load, type LoadResult } from "./load.ts";
import { freePort } from "./swapping.ts";

const PROGRAM = join(import.meta.dirname, "generation-main.ts");
const CLIENTS = { closing: 8, keeping: 16, streaming: 4 };
/** Between two swaps. */
const REST_MS = 100;

export type ControlReport = { readonly name: string; readonly swaps: number; readonly load: LoadResult };

type Generation = { readonly end: () => Promise<void> };

/** Both generations listen (SO_REUSEPORT), then the old one ends when it has answered what it accepted. */
export async function reusePortControl(swaps: number): Promise<ControlReport> {
  const port = await freePort();
  let running = await start(port, "reuse");
  return underLoad("SO_REUSEPORT", swaps, port, {
    swap: async () => {
      const old = running;
      running = await start(port, "reuse");
      await old.end();
    },
    end: () => running.end(),
  });
}

/** The old one ends, then the new one starts in its place. */
export async function restartControl(swaps: number): Promise<ControlReport> {
  const port = await freePort();
  let running = await start(port, "alone");
  return underLoad("stop and start", swaps, port, {
    swap: async () => {
      await running.end();
      running = await start(port, "alone");
    },
    end: () => running.end(),
  });
}

async function underLoad(
  name: string,
  swaps: number,
  port: number,
  server: { readonly swap: () => Promise<void>; readonly end: () => Promise<void> },
): Promise<ControlReport> {
  const load = new Load({ port, token: "none", path: "/", ...CLIENTS });
  for (let done = 0; done < swaps; done += 1) {
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    await server.swap();
  }
  const result = await load.stop();
  await server.end();
  return { name, swaps, load: result };
}

async function start(port: number, mode: "reuse" | "alone"): Promise<Generation> {
  const child = Bun.spawn([process.execPath, PROGRAM, String(port), mode], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  const { done } = await reader.read();
  if (done) throw new Error(`a generation of the control ended with ${await child.exited}`);
  return {
    end: async () => {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}
