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
import { type Clock, describeFailure, err, type Logger, ok, type Result, refused, type Timer, terminal } from "#base";
import {
  abandonedCopies,
  BACKUP_EVERY_MS,
  BACKUPS_KEPT,
  backupDueInMs,
  backupName,
  backupsToDelete,
  unfinishedName,
} from "./backup-policy.ts";
import type { LongReader } from "./long-reader.ts";
import type { Inspection } from "./reader-protocol.ts";
import { onStorage } from "./storage-failure.ts";

export const BACKUP_FOLDER = "backups";
/** Of every copy of a database: its owner alone reads it. */
export const PRIVATE_MODE = 0o600;

export type BackupReport = {
  readonly path: string;
  readonly bytes: number;
  readonly tasks: number;
  readonly lastEventSeq: number;
};

/** Takes copies of the fleet's database while it is in use. A copy gets its name only after it was read back whole. */
export class Backups {
  readonly folder: string;
  readonly #files: LongReader;
  readonly #uuid: string;
  readonly #clock: Clock;
  #running: Promise<Result<BackupReport>> | undefined;

  /** `files` is a thread of its own: a search that takes too long must not end a copy. */
  constructor(folder: string, files: LongReader, uuid: string, clock: Clock) {
    this.folder = folder;
    this.#files = files;
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

  /** Deletes all but the newest `keep` of the copies that were named by time, and what a crash left unfinished. @returns what was deleted. */
  prune(keep: number): readonly string[] {
    const listed = this.list();
    const abandoned = this.#running === undefined ? abandonedCopies(listed) : [];
    const names = [...backupsToDelete(listed, keep), ...abandoned];
    for (const name of names) rmSync(join(this.folder, name), { force: true });
    return names;
  }

  async #take(path: string): Promise<Result<BackupReport>> {
    const temporary = unfinishedName(path);
    const free = onStorage(`prepare ${path}`, () => prepareCopy(path, temporary));
    if (!free.ok) return free;
    if (!free.value.ok) return free.value;
    const copied = await this.#files.copy(temporary);
    if (!copied.ok) {
      rmSync(temporary, { force: true });
      return copied;
    }
    const sound = await verifyCopy(this.#files, temporary, this.#uuid);
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

/** Makes the file that is copied into: empty, and from the first byte for nobody else, for tasks hold secrets. */
function prepareCopy(path: string, temporary: string): Result<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(path)) return err(refused("conflict", `${path} exists already`, "Choose another file"));
  if (existsSync(temporary)) {
    const remedy = `Choose another file, or delete ${temporary} if a backup that was killed left it`;
    return err(refused("conflict", `${temporary} exists already`, remedy));
  }
  closeSync(openSync(temporary, "wx", PRIVATE_MODE));
  return ok(undefined);
}

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
