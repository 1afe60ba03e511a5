/** Blobs in files: `ab/cdef…` by their hash, and `begun/<hash>` while one arrives. Invariants: blob-store.ts. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, err, ok, type Result, refused, retryable, terminal } from "#base";
import {
  BLOB_PIECE_BYTES,
  type BlobHash,
  type BlobLimits,
  type BlobPart,
  type BlobPiece,
  type BlobState,
  type BlobStore,
  damaged,
  misfit,
  obstacleTo,
  otherHash,
  parseBlobHash,
  type StoredBlob,
} from "../blob-store.ts";

export type DiskBlobOptions = {
  /** Made when it is not there. */
  readonly folder: string;
  readonly limits: BlobLimits;
  readonly clock: Clock;
};

/**
 * A blob that was read through is believed for so long while its file looks the same: a log is read in hundreds of
 * pieces, and hashing it for each would read it hundreds of times.
 */
const BELIEVED_MS = 600_000;
/** Blobs that are believed at once; a reader has one open. */
const MAX_BELIEVED = 256;
/** Handed to the disk while it is written, so that the one flush at its end is short. */
const DRAFT = "adding";

type Believed = { readonly mark: string; readonly untilMs: number };

export class DiskBlobStore implements BlobStore {
  readonly #options: DiskBlobOptions;
  readonly #believed = new Map<BlobHash, Believed>();
  /** Writers of one blob follow each other. */
  readonly #writing = new Map<BlobHash, Promise<unknown>>();
  #bytes = 0;
  #added = 0;

  private constructor(options: DiskBlobOptions) {
    this.#options = options;
  }

  static async open(options: DiskBlobOptions): Promise<Result<DiskBlobStore>> {
    const store = new DiskBlobStore(options);
    const made = await onDisk("open the blobs", async () => {
      mkdirSync(join(options.folder, "begun"), { recursive: true, mode: 0o700 });
      for (const name of readdirSync(join(options.folder, "begun"))) {
        // What was being added has no name yet that anybody could ask for.
        if (name.startsWith(DRAFT)) rmSync(join(options.folder, "begun", name), { force: true });
      }
    });
    if (!made.ok) return made;
    const all = await store.list("");
    if (!all.ok) return all;
    store.#bytes = all.value.reduce((sum, { bytes }) => sum + bytes, 0);
    return ok(store);
  }

  bytes(): number {
    return this.#bytes;
  }

  state(hash: BlobHash): Promise<Result<BlobState>> {
    return onDisk(`look for blob ${hash}`, async () => this.#stateNow(hash));
  }

  append(hash: BlobHash, piece: BlobPiece): Promise<Result<BlobState>> {
    const fault = misfit(piece);
    if (fault !== undefined) return Promise.resolve(err(fault));
    const before = this.#writing.get(hash) ?? Promise.resolve();
    const mine = before.then(() => onDisk(`write blob ${hash}`, () => this.#append(hash, piece)).then(flat));
    this.#writing.set(hash, mine);
    return mine.finally(() => {
      if (this.#writing.get(hash) === mine) this.#writing.delete(hash);
    });
  }

  async #append(hash: BlobHash, { offset, totalBytes, bytes }: BlobPiece): Promise<Result<BlobState>> {
    const now = this.#stateNow(hash);
    if (now.kind === "whole" || offset !== now.bytes) return ok(now); // B3
    const obstacle = obstacleTo({ totalBytes, bytes: bytes.byteLength }, this.#bytes, this.#options.limits);
    if (obstacle !== undefined) return err(obstacle);
    const path = this.#begunPath(hash);
    if (bytes.byteLength > 0 || totalBytes === 0) {
      const file = await open(path, "a", 0o600);
      try {
        await writeAll(file, bytes);
        this.#bytes += bytes.byteLength;
        if (offset + bytes.byteLength === totalBytes) await file.sync();
      } finally {
        await file.close();
      }
    }
    if (offset + bytes.byteLength < totalBytes) return ok(this.#stateNow(hash));
    const found = await hashOf(path);
    if (found !== hash) {
      rmSync(path, { force: true });
      this.#bytes -= totalBytes;
      return err(otherHash(hash, found));
    }
    await this.#name(path, hash);
    return ok({ kind: "whole", bytes: totalBytes });
  }

  add(parts: AsyncIterable<Uint8Array>): Promise<Result<{ readonly hash: BlobHash; readonly bytes: number }>> {
    this.#added += 1;
    const path = join(this.#options.folder, "begun", `${DRAFT}-${this.#added}`);
    return onDisk("keep a blob", async () => {
      const file = await open(path, "wx", 0o600);
      const hasher = createHash("sha256");
      let size = 0;
      try {
        for await (const part of parts) {
          const growth = { totalBytes: size + part.byteLength, bytes: part.byteLength };
          const obstacle = obstacleTo(growth, this.#bytes + size, this.#options.limits);
          if (obstacle !== undefined) return err(obstacle);
          await writeAll(file, part);
          hasher.update(part);
          size += part.byteLength;
        }
        await file.sync();
        // `as`: what SHA-256 gives.
        const hash = parseBlobHash(hasher.digest("hex")) as BlobHash;
        if (this.#stateNow(hash).kind === "whole") return ok({ hash, bytes: size });
        this.#bytes += size;
        await this.#name(path, hash);
        return ok({ hash, bytes: size });
      } finally {
        await file.close();
        rmSync(path, { force: true });
      }
    }).then(flat);
  }

  read(hash: BlobHash, offset: number, maxBytes: number): Promise<Result<BlobPart | undefined>> {
    return onDisk(`read blob ${hash}`, async () => {
      const path = this.#path(hash);
      if (statSync(path, { throwIfNoEntry: false }) === undefined) return ok(undefined);
      if (!(await this.#isSound(hash, path))) {
        const removed = await this.remove(hash);
        return removed.ok ? err(damaged(hash)) : removed;
      }
      const file = await open(path, "r");
      try {
        const { size } = await file.stat();
        const bytes = new Uint8Array(Math.max(0, Math.min(maxBytes, size - offset)));
        const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
        return ok({ bytes: bytes.subarray(0, bytesRead), totalBytes: size });
      } finally {
        await file.close();
      }
    }).then(flat);
  }

  list(prefix: string): Promise<Result<readonly StoredBlob[]>> {
    return onDisk("list the blobs", async () => {
      const { folder } = this.#options;
      const found: StoredBlob[] = [];
      for (const shelf of await readdir(folder)) {
        const isWhole = /^[0-9a-f]{2}$/.test(shelf);
        if (shelf !== "begun" && !(isWhole && shelf.startsWith(prefix.slice(0, 2)))) continue;
        for (const name of await readdir(join(folder, shelf))) {
          const hash = parseBlobHash(isWhole ? `${shelf}${name}` : name);
          if (hash?.startsWith(prefix) !== true) continue;
          const file = statSync(join(folder, shelf, name), { throwIfNoEntry: false });
          if (file !== undefined) found.push({ hash, bytes: file.size, isWhole, atMs: file.mtimeMs });
        }
      }
      return found.sort((a, b) => (a.hash < b.hash ? -1 : 1));
    });
  }

  remove(hash: BlobHash): Promise<Result<void>> {
    return onDisk(`remove blob ${hash}`, async () => {
      for (const path of [this.#path(hash), this.#begunPath(hash)]) {
        const file = statSync(path, { throwIfNoEntry: false });
        if (file === undefined) continue;
        rmSync(path, { force: true });
        this.#bytes -= file.size;
      }
      this.#believed.delete(hash);
    });
  }

  #stateNow(hash: BlobHash): BlobState {
    const whole = statSync(this.#path(hash), { throwIfNoEntry: false });
    if (whole !== undefined) return { kind: "whole", bytes: whole.size };
    const begun = statSync(this.#begunPath(hash), { throwIfNoEntry: false });
    return begun === undefined ? { kind: "absent", bytes: 0 } : { kind: "begun", bytes: begun.size };
  }

  /** B2: synced before it gets its name, and the folder after. */
  async #name(path: string, hash: BlobHash): Promise<void> {
    const shelf = join(this.#options.folder, hash.slice(0, 2));
    mkdirSync(shelf, { recursive: true, mode: 0o700 });
    renameSync(path, this.#path(hash));
    const folder = await open(shelf, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  /** B1 */
  async #isSound(hash: BlobHash, path: string): Promise<boolean> {
    const { ino, size, mtimeMs } = await stat(path);
    const mark = `${ino} ${size} ${mtimeMs}`;
    const nowMs = this.#options.clock.monotonicMs();
    const believed = this.#believed.get(hash);
    if (believed !== undefined && believed.mark === mark && nowMs < believed.untilMs) return true;
    if ((await hashOf(path)) !== hash) return false;
    this.#believed.delete(hash);
    for (const oldest of this.#believed.keys()) {
      if (this.#believed.size < MAX_BELIEVED) break;
      this.#believed.delete(oldest);
    }
    this.#believed.set(hash, { mark, untilMs: nowMs + BELIEVED_MS });
    return true;
  }

  #path(hash: BlobHash): string {
    return join(this.#options.folder, hash.slice(0, 2), hash.slice(2));
  }

  #begunPath(hash: BlobHash): string {
    return join(this.#options.folder, "begun", hash);
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) done += (await file.write(bytes, done)).bytesWritten;
}

/** Piece by piece, so that others are served in between. */
async function hashOf(path: string): Promise<string> {
  const hasher = createHash("sha256");
  const file = await open(path, "r");
  try {
    const piece = new Uint8Array(BLOB_PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, piece.length);
      if (bytesRead === 0) return hasher.digest("hex");
      hasher.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

function flat<T>(result: Result<Result<T>>): Result<T> {
  return result.ok ? result.value : result;
}

/** Faults of file and disk become failures; anything else is a bug and goes on as an exception. */
export async function onDisk<T>(action: string, act: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await act());
  } catch (cause) {
    // Not those of the runtime or of a library (ERR_…, Z_…): they are no errors of the system.
    const named = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const code = /^E(?!RR_)[A-Z0-9]+$/.test(named) ? named : "";
    const message = `${action}: ${cause instanceof Error ? cause.message : String(cause)}`;
    switch (code) {
      case "ENOSPC":
      case "EDQUOT":
        return err(retryable("disk_full", message, "Free space on the disk of the state folder"));
      case "EROFS":
      case "EACCES":
      case "EPERM":
        return err(terminal("read_only", message, "Make the state folder writable for the user that runs drover"));
      case "ENOENT":
      case "ENOTDIR":
      case "EISDIR":
        return err(refused("not_found", message, "Check that the state folder is as drover left it"));
      case "":
        throw cause;
      default:
        return err(retryable("unavailable", message, "Check the disk of the state folder (dmesg, smartctl)"));
    }
  }
}
