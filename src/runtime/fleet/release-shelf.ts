/** The release that a hub gives to its nodes, in a folder of its state, piece by piece. */
import {
  closeSync,
  cpSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { folderFailure } from "../state-folder.ts";
import type { ReleasePiece } from "./release-taker.ts";

const FOLDER = "fleet-release";
/** As base64, in JSON, well below what an answer of a hub may have. */
const PIECE_BYTES = 4 * 1024 * 1024;
const FILE = /^(?:manifest\.json|drover-[a-z0-9][a-z0-9-]{0,63}(?:\.gz)?)$/;

export class ReleaseShelf {
  readonly path: string;

  constructor(stateDir: string) {
    this.path = join(stateDir, FOLDER);
  }

  /** Puts a release folder, or that of a manifest, in the place of what was there. */
  fill(from: string): Result<readonly string[]> {
    try {
      const folder = statSync(from).isDirectory() ? from : dirname(from);
      const all = readdirSync(folder).filter((name) => FILE.test(name));
      // A packed file is a third as long, and every node can unpack it.
      const files = all.filter((name) => !all.includes(`${name}.gz`));
      if (!files.includes("manifest.json") || files.length < 2) {
        return err(refused("not_found", `${folder} is no release folder`, "Give one made by build/sign.ts release"));
      }
      rmSync(this.path, { recursive: true, force: true });
      mkdirSync(this.path, { mode: 0o700 });
      for (const name of files) cpSync(join(folder, name), join(this.path, name), { dereference: true });
      return ok(files);
    } catch (cause) {
      return err(folderFailure(from, cause));
    }
  }

  read(file: string, offset: number): Result<ReleasePiece> {
    const path = join(this.path, file);
    if (!FILE.test(file) || !existsSync(path)) {
      return err(refused("not_found", `the hub has no file ${file.slice(0, 100)} of a release`));
    }
    try {
      const descriptor = openSync(path, "r");
      try {
        const { size } = fstatSync(descriptor);
        const bytes = Buffer.alloc(Math.max(0, Math.min(PIECE_BYTES, size - offset)));
        const count = readSync(descriptor, bytes, 0, bytes.byteLength, offset);
        return ok({ bytes: bytes.subarray(0, count).toString("base64"), size });
      } finally {
        closeSync(descriptor);
      }
    } catch (cause) {
      return err(folderFailure(path, cause));
    }
  }
}
