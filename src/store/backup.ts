import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Clock, describeFailure, err, type Logger, type Result, refused, type Timer, terminal } from "#base";
import { BACKUP_EVERY_MS, BACKUPS_KEPT, backupDueInMs, backupName, backupsToDelete } from "./backup-policy.ts";
import type { LongReader } from "./long-reader.ts";
import type { Inspection } from "./reader-protocol.ts";
import { onStorage } from "./storage-failure.ts";

export const BACKUP_FOLDER = "backups";

export type BackupReport = {
  readonly path: string;
  readonly bytes: number;
  readonly tasks: number;
  readonly lastEventSeq: number;
};

/** Takes copies of the fleet's database while it is in use. A copy gets its name only after it was read back whole. */
export class Backups {
  readonly folder: string;
  readonly #long: LongReader;
  readonly #uuid: string;
  readonly #clock: Clock;
  #running: Promise<Result<BackupReport>> | undefined;

  constructor(folder: string, long: LongReader, uuid: string, clock: Clock) {
    this.folder = folder;
    this.#long = long;
    this.#uuid = uuid;
    this.#clock = clock;
  }

  /** Copies to `file`, or under a name with the time into the folder of backups. One at a time. */
  take(file?: string): Promise<Result<BackupReport>> {
    if (this.#running !== undefined) {
      return Promise.resolve(err(refused("conflict", "another backup is running", "Wait until it is done")));
    }
    const path = file === undefined ? join(this.folder, backupName(this.#clock.nowMs())) : resolve(file);
    const running = this.#take(path).finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  /** Our copies in the folder of backups, newest last. */
  list(): readonly string[] {
    return existsSync(this.folder) ? readdirSync(this.folder).sort() : [];
  }

  /** Deletes all but the newest `keep` of the copies that were named by time. @returns what was deleted. */
  prune(keep: number): readonly string[] {
    const names = backupsToDelete(this.list(), keep);
    for (const name of names) rmSync(join(this.folder, name), { force: true });
    return names;
  }

  async #take(path: string): Promise<Result<BackupReport>> {
    const temporary = `${path}.making`;
    const made = onStorage(`prepare ${path}`, () => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      rmSync(temporary, { force: true });
      return existsSync(path);
    });
    if (!made.ok) return made;
    if (made.value) return err(refused("conflict", `${path} exists`, "Choose another file"));
    const copied = await this.#long.copy(temporary);
    if (!copied.ok) {
      rmSync(temporary, { force: true });
      return copied;
    }
    const sound = await verifyCopy(this.#long, temporary, this.#uuid);
    if (!sound.ok) {
      rmSync(temporary, { force: true });
      return sound;
    }
    return onStorage(`keep ${path}`, () => {
      syncFile(temporary);
      renameSync(temporary, path);
      syncFile(dirname(path));
      const { tasks, lastEventSeq } = sound.value;
      return { path, bytes: statSync(path).size, tasks, lastEventSeq };
    });
  }
}

export type BackupSchedule = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly everyMs?: number;
  readonly keep?: number;
};

/** Takes a copy every period, counted from the newest one there is, and keeps some. @returns a function that ends it. */
export function scheduleBackups(backups: Backups, schedule: BackupSchedule): () => void {
  const { clock, logger, everyMs = BACKUP_EVERY_MS, keep = BACKUPS_KEPT } = schedule;
  let timer: Timer | undefined;
  let isStopped = false;
  const later = (delayMs: number): void => {
    if (!isStopped) timer = clock.after(delayMs, () => void run());
  };
  const run = async (): Promise<void> => {
    const taken = await backups.take();
    if (taken.ok) {
      logger.info("the database was backed up", { path: taken.value.path, bytes: taken.value.bytes });
      backups.prune(keep);
    } else {
      logger.error("the database could not be backed up", { failure: describeFailure(taken.error) });
    }
    later(taken.ok ? everyMs : Math.min(everyMs, RETRY_FAILED_MS));
  };
  // Never in the first moments of a start, which has better things to do.
  later(Math.max(AFTER_START_MS, backupDueInMs(backups.list(), everyMs, clock.nowMs())));
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}

/** A failed scheduled copy (disk full, most likely) is tried again this much later. */
const RETRY_FAILED_MS = 60 * 60_000;
const AFTER_START_MS = 60_000;

/** Reads a copy back whole. @returns what it holds, or why it cannot be trusted. */
async function verifyCopy(long: LongReader, path: string, uuid: string): Promise<Result<Inspection>> {
  const inspected = await long.inspect(path);
  if (!inspected.ok) return inspected;
  const [fault] = inspected.value.faults;
  if (fault !== undefined) return err(terminal("corrupt", `the copy ${path} is damaged: ${fault}`, "Check the disk"));
  if (inspected.value.uuid !== uuid) return err(terminal("corrupt", `the copy ${path} is not a copy of this database`));
  return inspected;
}

/** Makes a file, or the names in a folder, survive a loss of power. */
export function syncFile(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
