import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { ServerKind } from "./adapter.ts";

/** A server that this benchmark started for one cell. */
export type Server = { readonly port: number; readonly pid: number | null; readonly stop: () => Promise<void> };

const READY_MS = 30_000;
const POSTGRES_ROOT = "/usr/lib/postgresql";
const NO_SERVER: Server = { port: 0, pid: null, stop: async () => undefined };

/** @returns what is missing, in words; undefined when this kind can be started. */
export function missingServer(kind: ServerKind): string | undefined {
  switch (kind) {
    case "none":
      return undefined;
    case "redis-everysec":
    case "redis-always":
      return Bun.which("redis-server") === null
        ? "redis-server is not installed (apt-get install redis-server)"
        : undefined;
    case "postgres":
      if (postgresFolder() === undefined) return "PostgreSQL is not installed (apt-get install postgresql)";
      return process.getuid?.() === 0 && serviceUser() === undefined
        ? "PostgreSQL refuses root and there is no user postgres or nobody to run it as"
        : undefined;
  }
}

/** @returns the version of the server; undefined when it is not installed. */
export function serverVersion(kind: ServerKind): string | undefined {
  if (kind === "none" || missingServer(kind) !== undefined) return undefined;
  const program = kind === "postgres" ? join(postgresFolder() ?? "", "postgres") : "redis-server";
  return /\d+\.\d+(\.\d+)?/.exec(Bun.spawnSync([program, "--version"]).stdout.toString())?.[0];
}

/** Starts a server with empty data under `folder` on a free port of the loopback interface. */
export async function startServer(kind: ServerKind, folder: string): Promise<Server> {
  switch (kind) {
    case "none":
      return NO_SERVER;
    case "redis-everysec":
      return startRedis(folder, "everysec");
    case "redis-always":
      return startRedis(folder, "always");
    case "postgres":
      return startPostgres(folder);
  }
}

async function startRedis(folder: string, fsync: "everysec" | "always"): Promise<Server> {
  const data = join(folder, "redis");
  mkdirSync(data);
  const port = await freePort();
  const options = ["--bind", "127.0.0.1", "--dir", data, "--save", "", "--appendonly", "yes", "--appendfsync", fsync];
  return launch(["redis-server", "--port", String(port), ...options], port, "SIGTERM");
}

/** As Debian ships it: fsync on, defaults everywhere. */
async function startPostgres(folder: string): Promise<Server> {
  const programs = postgresFolder() ?? "";
  const data = join(folder, "postgres");
  const sockets = join(folder, "sockets");
  mkdirSync(data, { mode: 0o700 });
  mkdirSync(sockets);
  const user = process.getuid?.() === 0 ? serviceUser() : undefined;
  if (user !== undefined) for (const path of [folder, data, sockets]) chownSync(path, user.uid, user.gid);
  const as =
    user === undefined ? [] : ["setpriv", `--reuid=${user.uid}`, `--regid=${user.gid}`, "--clear-groups", "--"];
  const initialise = [join(programs, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--no-locale"];
  const made = Bun.spawnSync([...as, ...initialise], { cwd: folder });
  if (made.exitCode !== 0) throw new Error(`initdb: ${made.stderr.toString()}`);
  const port = await freePort();
  const options = ["-D", data, "-p", String(port), "-c", "listen_addresses=127.0.0.1", "-k", sockets];
  // SIGINT is its fast shutdown: it ends sessions instead of waiting for them.
  return launch([...as, join(programs, "postgres"), ...options], port, "SIGINT", folder);
}

async function launch(command: string[], port: number, stopSignal: NodeJS.Signals, cwd?: string): Promise<Server> {
  const child = Bun.spawn(command, {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    ...(cwd === undefined ? {} : { cwd }),
  });
  const stop = async (): Promise<void> => {
    child.kill(stopSignal);
    await child.exited;
  };
  const deadlineMs = performance.now() + READY_MS;
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > deadlineMs) {
      await stop();
      throw new Error(`${command.join(" ")} did not come up`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return { port, pid: child.pid, stop };
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** The newest of Debian's side-by-side versions. */
function postgresFolder(): string | undefined {
  if (!existsSync(POSTGRES_ROOT)) return undefined;
  return readdirSync(POSTGRES_ROOT)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(POSTGRES_ROOT, version, "bin"))
    .find((folder) => existsSync(join(folder, "postgres")) && existsSync(join(folder, "initdb")));
}

function serviceUser(): { readonly uid: number; readonly gid: number } | undefined {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  const line = lines.find((each) => each.startsWith("postgres:")) ?? lines.find((each) => each.startsWith("nobody:"));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
