/**
 * Takes the release that the hub wants this node to run, as `drover update` would, and says how that went. What it was
 * asked for is kept in a file: the process that says so in the end is one of the new release.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { UploadPort, WatchdogPort } from "#api";
import { type Clock, describeFailure, err, type JsonValue, type Logger, ok, type Result, refused, sleep } from "#base";
import type { ReleaseOrder, TakeReport } from "#fleet";
import { folderFailure, writeDurably } from "../state-folder.ts";

/** A piece of a file of the release; `bytes` in base64. */
export type ReleasePiece = { readonly bytes: string; readonly size: number };
/** @returns `not_found` when the hub has no such file. */
export type ReadRelease = (file: string, offset: number) => Promise<Result<ReleasePiece>>;

export type ReleaseTakerParts = {
  readonly stateDir: string;
  /** Kind of machine that files are for. */
  readonly target: string;
  readonly read: ReadRelease;
  readonly uploads: UploadPort;
  readonly watchdog: WatchdogPort;
  readonly clock: Clock;
  readonly logger: Logger;
};

const FILE = "fleet-release.json";
export const FROM_HUB = "hub";
/** A hub that starts anew is back within seconds; one that is away for longer asks again. */
const READ_TRIES = 20;
const READ_PAUSE_MS = 3_000;
/** How often the watchdog is asked how far it is. */
const LOOK_MS = 3_000;

/** What was asked for; `failed`: it came to nothing before the watchdog had it. */
type Kept = { readonly order: ReleaseOrder; readonly failed: string | null };

export class ReleaseTaker {
  readonly #parts: ReleaseTakerParts;
  #kept: Kept | undefined;
  #report: TakeReport | null = null;
  #isTaking = false;
  #isStopped = false;

  constructor(parts: ReleaseTakerParts) {
    this.#parts = parts;
    this.#kept = readKept(parts.stateDir);
  }

  /** How the latest order fares; null when there was none, or it is not known yet. */
  get report(): TakeReport | null {
    return this.#report;
  }

  /** A process of the new release looks what became of it. */
  start(): void {
    if (this.#kept !== undefined) void this.#watch();
  }

  stop(): void {
    this.#isStopped = true;
  }

  /** Once for each key, however often it is asked. */
  async take(order: ReleaseOrder): Promise<void> {
    if (this.#isTaking) return;
    this.#isTaking = true;
    try {
      await this.#take(order);
    } catch (cause) {
      this.#fail(order, err(folderFailure(this.#parts.stateDir, cause)));
    } finally {
      this.#isTaking = false;
    }
  }

  async #take(order: ReleaseOrder): Promise<void> {
    const { logger, watchdog } = this.#parts;
    if (this.#kept?.order.key === order.key) {
      await this.#look();
      if (this.#report !== null) return;
    }
    this.#keep({ order, failed: null });
    this.#report = { key: order.key, state: "taking", reason: null };
    logger.info("the hub wants this node to take a release", { version: order.version });
    const from = order.from === FROM_HUB ? await this.#fetch(order.version) : ok(order.from);
    if (!from.ok) {
      this.#fail(order, from);
      return;
    }
    const begun = await watchdog.ask("update", {
      from: from.value,
      allowOlder: false,
      again: true,
      askedBy: askerOf(order.key),
    });
    if (begun.ok) void this.#watch();
    else this.#fail(order, begun);
  }

  /** The manifest, and the packed file where there is one: it is a third as long. The watchdog checks both. */
  async #fetch(version: string): Promise<Result<string>> {
    const { uploads, target } = this.#parts;
    const id = `fleet-${version.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-")}`.slice(0, 64);
    const manifest = await this.#fetchFile(id, "manifest.json");
    if (!manifest.ok) return manifest;
    for (const file of [`drover-${target}.gz`, `drover-${target}`]) {
      const fetched = await this.#fetchFile(id, file);
      if (fetched.ok) return uploads.folder(id);
      if (fetched.error.code !== "not_found") return fetched;
    }
    const remedy = "Start it again from a release folder with a file for every kind of machine of the fleet";
    return err(refused("not_found", `the release has no file for ${target}`, remedy));
  }

  async #fetchFile(id: string, file: string): Promise<Result<unknown>> {
    const first = await this.#piece(file, 0);
    if (!first.ok) return first;
    let [offset, next] = [0, ok(first.value) as Result<ReleasePiece>];
    const body = new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const piece = next.ok ? next : await this.#piece(file, offset);
        next = err(refused("internal", "read anew"));
        if (!piece.ok) return controller.error(new Error(describeFailure(piece.error)));
        const bytes = Buffer.from(piece.value.bytes, "base64");
        offset += bytes.byteLength;
        if (bytes.byteLength > 0) controller.enqueue(bytes);
        if (bytes.byteLength === 0 || offset >= piece.value.size) controller.close();
      },
    });
    return this.#parts.uploads.put(id, file, body);
  }

  /** What was fetched already stays; the rest waits for a hub that is away for a moment. */
  async #piece(file: string, offset: number): Promise<Result<ReleasePiece>> {
    const { read, clock } = this.#parts;
    for (let tries = 1; ; tries += 1) {
      const piece = await read(file, offset);
      if (piece.ok || piece.error.kind !== "retryable" || tries >= READ_TRIES || this.#isStopped) return piece;
      await sleep(clock, READ_PAUSE_MS);
    }
  }

  async #watch(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#isStopped) {
      await this.#look();
      if (this.#report !== null && this.#report.state !== "taking") return;
      await sleep(clock, LOOK_MS);
    }
  }

  async #look(): Promise<void> {
    const kept = this.#kept;
    if (kept === undefined) return;
    const { key } = kept.order;
    if (kept.failed !== null) {
      this.#report = { key, state: "failed", reason: kept.failed };
      return;
    }
    const said = await this.#parts.watchdog.ask("releases", null);
    // A watchdog that is being replaced is asked again.
    if (said.ok) this.#report = reportOf(key, said.value);
  }

  #fail(order: ReleaseOrder, { error }: { readonly error: Parameters<typeof describeFailure>[0] }): void {
    const reason = describeFailure(error);
    this.#parts.logger.warn("the release was not taken", { version: order.version, why: reason });
    this.#report = { key: order.key, state: "failed", reason };
    this.#keep({ order, failed: reason });
  }

  #keep(kept: Kept): void {
    this.#kept = kept;
    try {
      writeDurably(join(this.#parts.stateDir, FILE), `${JSON.stringify(kept)}\n`);
    } catch (cause) {
      // A disk that is full: the order is carried out, and what became of it may not be said after a restart.
      this.#parts.logger.warn("what the hub wants was not noted", { cause: String(cause) });
    }
  }
}

function askerOf(key: string): string {
  return `the hub, rollout ${key}`;
}

/** @returns null when the watchdog has nothing of it: it was ended while the release was fetched. */
function reportOf(key: string, said: JsonValue): TakeReport | null {
  // `as`: an answer of the watchdog; each field is looked at.
  const { history, swap } = said as { readonly history?: unknown; readonly swap?: unknown };
  const rows = (Array.isArray(history) ? history : []) as readonly Readonly<Record<string, unknown>>[];
  const row = rows.findLast(({ askedBy }) => askedBy === askerOf(key));
  if (row === undefined) return swap === null || swap === undefined ? null : { key, state: "taking", reason: null };
  if (row["result"] === "committed") return { key, state: "committed", reason: null };
  const reason = typeof row["reason"] === "string" ? row["reason"] : String(row["result"]);
  return { key, state: "failed", reason };
}

function readKept(stateDir: string): Kept | undefined {
  const path = join(stateDir, FILE);
  try {
    // `as`: written above.
    return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Kept) : undefined;
  } catch {
    rmSync(path, { force: true });
    return undefined;
  }
}
