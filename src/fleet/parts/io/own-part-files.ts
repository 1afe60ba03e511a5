import { statSync } from "node:fs";
import { open } from "node:fs/promises";
import { ok, type Result, type TaskId } from "#base";
import type { BlobStore } from "../../blobs/blob-store.ts";
import { onDisk } from "../../blobs/io/disk-blob-store.ts";
import type { AttemptBlobs } from "../attempt-blobs.ts";
import type { OwnParts, Packed, PartKey } from "../part.ts";
import { encodingFor, packedFile } from "./packing.ts";

export type OwnPartFilesOptions = {
  /** Where a log of this node lies; a result lies among the blobs. */
  readonly pathOf: (key: PartKey & { readonly part: "output" | "steps" }) => string;
  readonly isRunning: (taskId: TaskId, attempt: number) => boolean;
  readonly store: BlobStore;
  readonly blobs: AttemptBlobs;
};

/** Logs in the files that their workers write, results among the blobs of this node. */
export class OwnPartFiles implements OwnParts {
  readonly #options: OwnPartFilesOptions;

  constructor(options: OwnPartFilesOptions) {
    this.#options = options;
  }

  isRunning(taskId: TaskId, attempt: number): boolean {
    return this.#options.isRunning(taskId, attempt);
  }

  async read(key: PartKey, offset: number, maxBytes: number): ReturnType<OwnParts["read"]> {
    const { part } = key;
    if (part !== "result") return readPart(this.#options.pathOf({ ...key, part }), offset, maxBytes);
    const blob = this.#options.blobs.find(key);
    if (!blob.ok) return blob;
    if (blob.value === undefined) return ok(undefined);
    const found = await this.#options.store.read(blob.value.hash, offset, maxBytes);
    if (!found.ok) return found;
    return ok(found.value && { bytes: found.value.bytes, sizeBytes: found.value.totalBytes });
  }

  async pack(key: PartKey): Promise<Result<Packed | undefined>> {
    const { store, blobs, pathOf } = this.#options;
    const { part } = key;
    if (part === "result") return blobs.find(key);
    const path = pathOf({ ...key, part });
    const file = statSync(path, { throwIfNoEntry: false });
    if (file === undefined) return ok(undefined);
    const added = await store.add(packedFile(path, file.size));
    return added.ok ? ok({ ...added.value, rawBytes: file.size, encoding: encodingFor(file.size) }) : added;
  }
}

/** @returns part of a file, and how much there is; undefined when there is none. */
export async function readPart(path: string, offset: number, maxBytes: number): ReturnType<OwnParts["read"]> {
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return ok(undefined);
  return onDisk(`read ${path}`, async () => {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const bytes = new Uint8Array(Math.max(0, Math.min(maxBytes, size - offset)));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
      return { bytes: bytes.subarray(0, bytesRead), sizeBytes: size };
    } finally {
      await file.close();
    }
  });
}
