/** How the libSQL server of a hub is started. Pure. */
import { join } from "node:path";
import type { KeptProcess } from "#watchdog";

/** Also the name of its log. */
export const SERVER_NAME = "fleet-server";

/** Idle it has 25 MB; a fleet of gigabytes with a hundred replicas stays far below this. */
const MEMORY_LIMIT_BYTES = 2 * 1024 ** 3;
/** SQLite gives back cache from here on. */
const SOFT_HEAP_MIB = 256;
/** Of the log that replicas follow; past it, it is folded into snapshots. Twice that at most lies on the disk. */
const MAX_LOG_MB = 100;
/** Below the time that it gets from SIGTERM to SIGKILL. */
const SHUTDOWN_S = 5;

export function dataFolderOf(stateDir: string): string {
  return join(stateDir, "hub");
}

/** Where the database is, as `data`, within the data folder. */
export function databaseFolderOf(stateDir: string): string {
  return join(dataFolderOf(stateDir), "dbs", "default");
}

type ServerPlace = {
  readonly stateDir: string;
  readonly executable: string;
  readonly publicKeyFile: string;
  readonly temporary: string;
};

export function serverProcess({ stateDir, executable, publicKeyFile, temporary }: ServerPlace): KeptProcess {
  const options = {
    "--db-path": dataFolderOf(stateDir),
    // The one listener: neither gRPC, nor the admin API, nor Hrana over its own port are asked for.
    "--http-listen-addr": "127.0.0.1:{port}",
    "--auth-jwt-key-file": publicKeyFile,
    "--soft-heap-limit-mb": String(SOFT_HEAP_MIB),
    "--max-log-size": String(MAX_LOG_MB),
    "--shutdown-timeout": String(SHUTDOWN_S),
  };
  return {
    name: SERVER_NAME,
    command: [executable, "--no-welcome", "--disable-metrics", ...Object.entries(options).flat()],
    // Nothing of ours: each of its options has a variable, and one of them set elsewhere would change what it does.
    env: { PATH: "/usr/bin:/bin", TMPDIR: temporary, RUST_LOG: "warn", RUST_BACKTRACE: "1" },
    healthPath: "/health",
    memoryLimitBytes: MEMORY_LIMIT_BYTES,
  };
}
