import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A compiled `drover up`, watchdog and node, that this benchmark started on a state folder of its own. */
export type NodeProcess = {
  /** Of the node; the watchdog is its parent. */
  readonly pid: number;
  readonly watchdogPid: number;
  readonly url: string;
  readonly token: string;
  /** From starting the process to the first answer 200 of /health/ready. */
  readonly readyMs: number;
  readonly stop: () => Promise<void>;
};

const READY_TIMEOUT_MS = 20_000;

/** Starts `binary up` with an otherwise empty environment, on a free port, and waits until it is ready. */
export async function startNode(
  binary: string,
  stateDir: string,
  env: Readonly<Record<string, string>> = {},
): Promise<NodeProcess> {
  const startedMs = performance.now();
  const child = Bun.spawn([binary, "up", "--state", stateDir], {
    env: { PATH: process.env["PATH"] ?? "", HOME: stateDir, DROVER_HTTP_PORT: "0", DROVER_LOG_LEVEL: "warn", ...env },
    cwd: stateDir,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const deadlineMs = startedMs + READY_TIMEOUT_MS;
  for (;;) {
    const said = readNodeFile(stateDir);
    if (said !== undefined && (await isReady(said.url))) {
      const readyMs = performance.now() - startedMs;
      const token = readFileSync(join(stateDir, "token"), "utf8").trim();
      const stop = async (): Promise<void> => {
        child.kill("SIGTERM");
        await child.exited;
      };
      return { ...said, watchdogPid: child.pid, token, readyMs, stop };
    }
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      child.kill("SIGKILL");
      throw new Error(`${binary} up did not become ready: ${await new Response(child.stderr).text()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** The node writes its address into its state folder when it listens. */
function readNodeFile(stateDir: string): { readonly url: string; readonly pid: number } | undefined {
  const file = join(stateDir, "node.json");
  if (!existsSync(file)) return undefined;
  try {
    // `as`: written by the node.
    const { url, pid } = JSON.parse(readFileSync(file, "utf8")) as { readonly url: string; readonly pid: number };
    return { url, pid };
  } catch {
    return undefined; // it is being written
  }
}

async function isReady(url: string): Promise<boolean> {
  try {
    // A connection kept open would be part of what the node has to end later.
    return (await fetch(new URL("/health/ready", url), { keepalive: false })).ok;
  } catch {
    return false;
  }
}
