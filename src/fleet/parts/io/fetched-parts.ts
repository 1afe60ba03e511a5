/** Parts of attempts that other nodes ran, as far as they were read here: files that can be had again, trimmed by age. */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { err, type Failure, type NodeId, ok, type Result, refused } from "#base";
import type { BlobStore } from "../../blobs/blob-store.ts";
import { onDisk } from "../../blobs/io/disk-blob-store.ts";
import type { OwnParts, PartBlob, PartKey } from "../part.ts";
import { readPart } from "./own-part-files.ts";
import { unpackTo } from "./packing.ts";

export type FetchedPartsOptions = {
  readonly folder: string;
  /** One part; what is longer stays with its node. */
  readonly maxPartBytes: number;
  /** Why nothing may be written now; undefined when something may. */
  readonly held: () => Failure | undefined;
};

/** Who reads one again within the day reads it from here; more than these are fetched anew. */
const MAX_FILES = 500;
const MAX_BYTES = 2 * 1024 * 1024 * 1024;
/** Parts are trimmed after so many were begun. */
const TRIM_EVERY = 50;

/** Of one claim: an attempt that was given back may run under the same number on another node. */
export type FetchedKey = PartKey & { readonly node: NodeId };

export class FetchedParts {
  readonly #options: FetchedPartsOptions;
  #begun = 0;

  constructor(options: FetchedPartsOptions) {
    this.#options = options;
  }

  /** Of a part that is here whole. */
  read(key: FetchedKey, offset: number, maxBytes: number): ReturnType<OwnParts["read"]> {
    return readPart(this.#path(key), offset, maxBytes);
  }

  /** Of a part that is still arriving. */
  readBegun(key: FetchedKey, offset: number, maxBytes: number): ReturnType<OwnParts["read"]> {
    return readPart(this.#begunPath(key), offset, maxBytes);
  }

  begunBytes(key: FetchedKey): number {
    return statSync(this.#begunPath(key), { throwIfNoEntry: false })?.size ?? 0;
  }

  append(key: FetchedKey, bytes: Uint8Array): Promise<Result<number>> {
    const held = this.#options.held();
    if (held !== undefined) return Promise.resolve({ ok: false, error: held });
    this.#make();
    return onDisk("keep what was read", async () => {
      const file = await open(this.#begunPath(key), "a", 0o600);
      try {
        for (let done = 0; done < bytes.byteLength; ) done += (await file.write(bytes, done)).bytesWritten;
        return (await file.stat()).size;
      } finally {
        await file.close();
      }
    });
  }

  /** Nothing will follow: it is whole. */
  finish(key: FetchedKey): Promise<Result<void>> {
    return onDisk("keep what was read", async () => {
      if (statSync(this.#begunPath(key), { throwIfNoEntry: false }) === undefined) return;
      renameSync(this.#begunPath(key), this.#path(key));
    });
  }

  /** @returns false when the store does not have the blob. */
  async unpack(blob: PartBlob, store: BlobStore): Promise<Result<boolean>> {
    const held = this.#options.held();
    if (held !== undefined) return { ok: false, error: held };
    const { maxPartBytes } = this.#options;
    if (blob.rawBytes > maxPartBytes) {
      const message = `the ${blob.part} has ${blob.rawBytes} bytes, and ${maxPartBytes} are fetched of one`;
      return err(refused("too_large", message, "Read it on the node that ran the attempt"));
    }
    this.#make();
    const draft = `${this.#path(blob)}.unpacking-${this.#begun}`;
    try {
      const unpacked = await unpackTo(draft, store, blob);
      if (!unpacked.ok || !unpacked.value) return unpacked;
      const named = await onDisk("keep what was read", async () => renameSync(draft, this.#path(blob)));
      return named.ok ? ok(true) : named;
    } finally {
      rmSync(draft, { force: true });
    }
  }

  /** Removes the oldest above the limits. */
  trim(): void {
    const { folder } = this.#options;
    const files = readdirSync(folder)
      .map((name) => ({ path: join(folder, name), stat: statSync(join(folder, name), { throwIfNoEntry: false }) }))
      .flatMap(({ path, stat }) => (stat === undefined ? [] : [{ path, bytes: stat.size, atMs: stat.mtimeMs }]))
      .sort((a, b) => b.atMs - a.atMs);
    let bytes = 0;
    for (const [index, file] of files.entries()) {
      bytes += file.bytes;
      if (index >= MAX_FILES || bytes > MAX_BYTES) rmSync(file.path, { force: true });
    }
  }

  #make(): void {
    mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 });
    this.#begun += 1;
    if (this.#begun % TRIM_EVERY === 0) this.trim();
  }

  #path({ taskId, attempt, part, node }: FetchedKey): string {
    return join(this.#options.folder, `${taskId}-${attempt}-${node}.${part}`);
  }

  #begunPath(key: FetchedKey): string {
    return `${this.#path(key)}.begun`;
  }
}
