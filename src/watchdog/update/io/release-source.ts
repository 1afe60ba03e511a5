import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { err, ok, type Result } from "#base";
import { MAX_MANIFEST_BYTES, type ReleaseFile } from "../manifest.ts";
import { type Refusal, refuse } from "../refusal.ts";
import { type ByteSource, checkedSource, fileSource, gunzipSource } from "./byte-source.ts";
import { readBounded } from "./durable-file.ts";
import { releaseFailure } from "./release-failure.ts";

/** A place that a release is taken from. */
export interface ReleaseSource {
  /** For people and the history: a path or an address without its query. */
  readonly name: string;
  /** The bytes of `manifest.json`. */
  manifest(): Promise<Result<Uint8Array, Refusal>>;
  /** The program itself, whatever form it comes in. The caller checks size and hash of what it reads. */
  open(file: ReleaseFile): Promise<Result<ByteSource, Refusal>>;
}

/**
 * A release folder, or an executable beside its `manifest.json`. Files are never followed through links. Throws
 * nothing.
 */
export function localSource(path: string): ReleaseSource {
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const folder = isFolder ? path : dirname(path);
  return {
    name: path,
    manifest: async () => {
      try {
        const bytes = readBounded(join(folder, "manifest.json"), MAX_MANIFEST_BYTES);
        if (bytes !== undefined) return ok(bytes);
        return err(refuse("manifest_missing", `there is no manifest.json in ${folder}`));
      } catch (error) {
        return err(releaseFailure(error, `read ${join(folder, "manifest.json")}`));
      }
    },
    open: async (file) => {
      if (!isFolder && basename(path) !== file.gzip?.file) return fileSource(path);
      const plain = join(folder, file.file);
      const isPacked = !isFolder || statSync(plain, { throwIfNoEntry: false }) === undefined;
      if (file.gzip === null || !isPacked) return fileSource(plain);
      const packed = fileSource(join(folder, file.gzip.file));
      return packed.ok ? ok(gunzipSource(checkedSource(packed.value, file.gzip), file.gzip.file)) : packed;
    },
  };
}
