/** Releases that are sent to this node, in `incoming/` of the state folder, until an update takes them from there. */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeSync,
} from "node:fs";
import { join, resolve } from "node:path";
import type { UploadPort } from "#api";
import { type Clock, err, MAX_UPLOAD_BYTES, ok, type Result, refused, retryable } from "#base";
import { MAX_MANIFEST_BYTES, RESERVE_BYTES } from "#watchdog";
import { folderFailure, syncFolder } from "./state-folder.ts";

const ID = /^[a-z0-9][a-z0-9-]{0,63}$/;
const FILE = /^(?:manifest\.json|drover-[a-z0-9][a-z0-9-]{0,63}(?:\.gz)?)$/;
/** One that is being installed, and the next. */
const KEPT_UPLOADS = 2;
/** Whoever uploads means to install it now. */
const KEPT_MS = 60 * 60_000;
/** So much is handed to the disk at once, and so often it is looked whether there is room for more. */
const SYNC_EVERY_BYTES = 16 * 1024 * 1024;

export class Uploads implements UploadPort {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #freeBytes: () => number;
  #isBusy = false;

  constructor(stateDir: string, clock: Clock, freeBytes?: () => number) {
    this.#path = resolve(stateDir, "incoming");
    this.#clock = clock;
    this.#freeBytes = freeBytes ?? (() => freeBytesAt(this.#path));
  }

  async put(id: string, file: string, body: ReadableStream<Uint8Array> | null): Promise<Result<{ bytes: number }>> {
    if (!ID.test(id)) return err(refused("invalid", "an upload is named by a-z, 0-9 and -, at most 64 of them"));
    if (!FILE.test(file)) {
      const remedy = "Upload manifest.json, and the file of this node's target from the release folder";
      return err(refused("invalid", `${file.slice(0, 100)} is no file of a release`, remedy));
    }
    if (this.#isBusy) return err(retryable("in_use", "another upload is under way", "Try again when it has ended"));
    this.#isBusy = true;
    try {
      return await this.#write(id, file, body);
    } catch (cause) {
      return err(folderFailure(this.#path, cause));
    } finally {
      this.#isBusy = false;
    }
  }

  folder(id: string): Result<string> {
    const path = join(this.#path, id);
    if (ID.test(id) && lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return ok(path);
    const remedy = "Uploads are kept for an hour. Send it again, or use: drover update FOLDER --url URL";
    return err(refused("not_found", `there is no upload ${id.slice(0, 100)}`, remedy));
  }

  async #write(id: string, file: string, body: ReadableStream<Uint8Array> | null): Promise<Result<{ bytes: number }>> {
    makePrivate(this.#path);
    this.#tidy(id);
    const folder = join(this.#path, id);
    makePrivate(folder);
    const draft = join(folder, `${file}.part`);
    rmSync(draft, { recursive: true, force: true });
    const descriptor = openSync(draft, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      const limit = file === "manifest.json" ? MAX_MANIFEST_BYTES : MAX_UPLOAD_BYTES;
      const bytes = body === null ? ok(0) : await this.#copy(body, descriptor, limit);
      if (!bytes.ok) return bytes;
      fsyncSync(descriptor);
      renameSync(draft, join(folder, file));
      syncFolder(folder);
      return ok({ bytes: bytes.value });
    } finally {
      closeSync(descriptor);
      rmSync(draft, { force: true });
    }
  }

  async #copy(body: ReadableStream<Uint8Array>, descriptor: number, limit: number): Promise<Result<number>> {
    const reader = body.getReader();
    let [bytes, checkedAt] = [0, -SYNC_EVERY_BYTES];
    for (;;) {
      const part = await reader.read().catch((cause: unknown) => (cause instanceof Error ? cause : new Error("cut")));
      if (part instanceof Error) return err(retryable("unavailable", `the file did not arrive whole: ${part.message}`));
      if (part.done) return ok(bytes);
      const piece = part.value;
      bytes += piece.length;
      const fault = bytes > limit ? refused("too_large", `the file is longer than ${limit} bytes`) : undefined;
      const isFull = bytes - checkedAt >= SYNC_EVERY_BYTES && this.#freeBytes() < RESERVE_BYTES;
      if (fault !== undefined || isFull) {
        await reader.cancel();
        return err(fault ?? retryable("disk_full", "there is too little disk for the release", "Free some space"));
      }
      for (let done = 0; done < piece.length; ) done += writeSync(descriptor, piece, done);
      if (bytes - checkedAt < SYNC_EVERY_BYTES) continue;
      fdatasyncSync(descriptor);
      checkedAt = bytes;
    }
  }

  /** Makes room for `id`: what is old goes, and the oldest of those that are too many. */
  #tidy(id: string): void {
    const nowMs = this.#clock.nowMs();
    const others = readdirSync(this.#path)
      .filter((name) => name !== id)
      .map((name) => ({ path: join(this.#path, name), changedMs: lstatSync(join(this.#path, name)).mtimeMs }))
      .sort((a, b) => b.changedMs - a.changedMs);
    for (const [place, { path, changedMs }] of others.entries()) {
      if (place >= KEPT_UPLOADS - 1 || nowMs - changedMs > KEPT_MS) rmSync(path, { recursive: true, force: true });
    }
  }
}

/** Throws when a link or a file is in the way. */
function makePrivate(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (!lstatSync(path).isDirectory()) throw new Error(`${path} is a link`);
}

function freeBytesAt(path: string): number {
  const disk = statfsSync(path);
  return disk.bavail * disk.bsize;
}
