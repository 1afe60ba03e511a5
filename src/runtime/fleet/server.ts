/**
 * The libSQL server of a hub, as the node deals with it.
 *
 * H1  There is one on a data folder at most: whoever keeps it takes a living one over (watchdog/io/kept-processes.ts).
 * H2  It outlives a node that makes room for the next one, and ends after a node that ends for good.
 * H3  Whoever asks for its address gets the one that it has now: each start has another port.
 */
import type { KeyObject } from "node:crypto";
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Clock, describeFailure, err, type Logger, ok, type Result, retryable } from "#base";
import type { KeptProcess, KeptReport } from "#watchdog";
import { folderFailure } from "../state-folder.ts";
import { serverExecutable } from "./server-executable.ts";
import { databaseFolderOf, dataFolderOf, SERVER_NAME, serverProcess } from "./server-process.ts";
import { ensureServerKey, type ServerAccess, serverToken, TOKEN_LIFE_MS } from "./server-tokens.ts";

/** Keeps processes alive: the watchdog, or this node where there is none. */
export interface ProcessKeeper {
  /** Exactly these are kept from now on; `listener` hears how they fare, now and after each change. */
  keep(processes: readonly KeptProcess[], listener: (reports: readonly KeptReport[]) => void): void;
  /** To be called last of all. A watchdog ends by itself what it keeps. */
  close(): Promise<void>;
}

export type ServerParts = {
  readonly stateDir: string;
  readonly keeper: ProcessKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Asked before each start: puts a database into this folder, which need not exist, unless one is there. What lies
   * there as `data` is taken over as it is.
   */
  readonly seed: (databaseFolder: string) => Result<unknown>;
};

/** A new database of gigabytes is read once before the server answers. */
const READY_LIMIT_MS = 60_000;

export class HubServer {
  readonly #parts: ServerParts;
  readonly #key: KeyObject;
  readonly #watchers = new Set<() => void>();
  #report: KeptReport | undefined;
  #isChecking = false;

  constructor(parts: ServerParts, key: KeyObject) {
    this.#parts = parts;
    this.#key = key;
  }

  /** Its address now; null while it does not serve. */
  get url(): string | null {
    const port = this.#report?.port ?? null;
    return port === null ? null : `http://127.0.0.1:${port}`;
  }

  /** A token for {@link TOKEN_LIFE_MS} from now. */
  token(access: ServerAccess): string {
    return serverToken(this.#key, access, this.#parts.clock.nowMs() + TOKEN_LIFE_MS);
  }

  /** Hears of each change of the address. @returns what ends that */
  onChange(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** @returns its address as soon as it serves. */
  async untilReady(limitMs = READY_LIMIT_MS): Promise<Result<string>> {
    const ready = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.url !== null) ready.resolve();
    };
    const forget = this.onChange(look);
    const timer = this.#parts.clock.after(limitMs, () => ready.resolve());
    look();
    await ready.promise;
    timer.cancel();
    forget();
    if (this.url !== null) return ok(this.url);
    const why = this.#report?.fault ?? "it did not say why";
    const remedy = `Read logs/${SERVER_NAME}.log in the state folder`;
    return err(retryable("unavailable", `the libSQL server was not ready after ${limitMs} ms: ${why}`, remedy));
  }

  heard(reports: readonly KeptReport[]): void {
    const before = this.#report;
    this.#report = reports.find(({ name }) => name === SERVER_NAME);
    if (this.#report?.phase === "waiting" && before?.phase !== "waiting") void this.#checkExecutable();
    if (before?.port !== this.#report?.port) for (const watcher of this.#watchers) watcher();
  }

  /** A file that was damaged since it was checked would fail at each start to come. */
  async #checkExecutable(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    const checked = await serverExecutable(this.#parts.stateDir);
    this.#isChecking = false;
    const { logger } = this.#parts;
    if (!checked.ok) logger.error("the libSQL server cannot be started", { failure: describeFailure(checked.error) });
  }
}

/** @returns the server, which need not serve yet. */
export async function startHubServer(parts: ServerParts): Promise<Result<HubServer>> {
  const { stateDir, keeper, seed } = parts;
  const executable = await serverExecutable(stateDir);
  if (!executable.ok) return executable;
  const folder = dataFolderOf(stateDir);
  let server: HubServer;
  let process: KeptProcess;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { key, publicFile } = ensureServerKey(folder);
    server = new HubServer(parts, key);
    process = serverProcess({ stateDir, executable: executable.value, publicKeyFile: publicFile, temporary: tmpdir() });
  } catch (cause) {
    return err(folderFailure(folder, cause));
  }
  const seeded = seed(databaseFolderOf(stateDir));
  if (!seeded.ok) return seeded;
  keeper.keep([process], (reports) => server.heard(reports));
  return ok(server);
}
