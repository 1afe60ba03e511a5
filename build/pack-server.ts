/** Makes the libSQL server small enough to be carried by the executable: without its symbols, and compressed. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { constants, zstdCompressSync } from "node:zlib";

/** A server as it is embedded, and what it must be once it is unpacked. */
export type PackedServer = { readonly path: string; readonly sha256: string; readonly bytes: number };

/**
 * zstd, because Bun unpacks it by itself. Of the stripped server (38.3 MB): level 3 gives 14.2 MB in 0.2 s, 10 gives
 * 12.8 MB in 1.3 s, 19 gives 11.2 MB in 22 s, gzip 14.8 MB, xz 10.0 MB, which Bun cannot read. All unpack in 0.1 s.
 */
const LEVEL = 10;

/** @returns the packed form of the server at `path`, made in `folder` unless it is there from an earlier build. */
export function packServer(path: string, folder: string): PackedServer {
  const source = readFileSync(path);
  const name = join(folder, `sqld-${digestOf(source).slice(0, 16)}-${LEVEL}`);
  const noted = `${name}.json`;
  const packed = `${name}.zst`;
  if (!existsSync(noted) || !existsSync(packed)) {
    mkdirSync(folder, { recursive: true });
    const scratch = mkdtempSync(join(folder, "packing-"));
    try {
      const content = withoutSymbols(path, join(scratch, "sqld"));
      const draft = join(scratch, "packed");
      writeFileSync(draft, zstdCompressSync(content, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } }));
      renameSync(draft, packed);
      // Last: what it says is true of the file beside it.
      writeFileSync(noted, JSON.stringify({ sha256: digestOf(content), bytes: content.length }));
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  // `as`: written a few lines above, by this or an earlier build.
  const { sha256, bytes } = JSON.parse(readFileSync(noted, "utf8")) as { readonly sha256: string; bytes: number };
  return { path: packed, sha256, bytes };
}

/** A tool that knows this processor's executables takes 7 MB off; without one the server works just as well. */
function withoutSymbols(path: string, copy: string): Buffer {
  copyFileSync(path, copy);
  for (const tool of ["strip", "aarch64-linux-gnu-strip", "llvm-strip"]) {
    if (spawnSync(tool, [copy], { stdio: "ignore" }).status === 0) return readFileSync(copy);
  }
  return readFileSync(path);
}

function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
