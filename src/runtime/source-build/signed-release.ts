/** Makes a release folder of what was built, signed by the local key. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { err, ok, type Result, refused, terminal } from "#base";
import { MAX_RELEASE_BYTES, type Manifest, parseVersion, type Version } from "#watchdog";
import { signManifest } from "../signing/envelope.ts";
import type { LocalKey } from "../signing/local-key.ts";

const DAY_MS = 24 * 3_600_000;
/** It is installed at once; a swap that was interrupted goes on from its own copy. */
const VALID_DAYS = 7;
/** How far the databases of a source go is not known before it runs; its selftest on a copy of them decides. */
const ANY_SCHEMA = { min: 0, max: 1_000_000 };
const CHUNK_BYTES = 1024 * 1024;

type Order = {
  /** The executable. */
  readonly built: string;
  /** The release folder, to be made. */
  readonly folder: string;
  readonly version: Version;
  readonly channel: string;
  readonly target: string;
  readonly key: LocalKey;
  readonly nowMs: number;
};

export async function signRelease(order: Order): Promise<Result<string>> {
  const file = `drover-${order.target}`;
  await mkdir(order.folder, { mode: 0o700 });
  const copied = await copyHashed(order.built, join(order.folder, file));
  if (!copied.ok) return copied;
  const minimumVersion = parseVersion("0.0.0");
  if (minimumVersion === undefined) return err(terminal("internal", "0.0.0 is no version"));
  const manifest: Manifest = {
    version: order.version,
    channel: order.channel,
    createdAtMs: order.nowMs,
    expiresAtMs: order.nowMs + VALID_DAYS * DAY_MS,
    // The floor stays where it is: what runs now must remain a way back.
    minimumVersion,
    schema: { fleet: ANY_SCHEMA, node: ANY_SCHEMA },
    files: [{ target: order.target, file, ...copied.value, gzip: null }],
  };
  const text = signManifest(manifest, [order.key.key], [order.key.certificate]);
  await writeFile(join(order.folder, "manifest.json"), text, { mode: 0o600, flag: "wx" });
  return ok(`${copied.value.bytes} bytes, sha256 ${copied.value.sha256.slice(0, 12)}`);
}

/** In pieces, so that the node answers meanwhile: an executable is some 110 MB. A link is not followed. */
async function copyHashed(from: string, to: string): Promise<Result<{ bytes: number; sha256: string }>> {
  const hash = createHash("sha256");
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(() => null);
  if (source === null) return err(refused("not_found", `update.source_build succeeded and left no file ${from}`));
  await using input = source;
  const status = await input.stat();
  if (!status.isFile() || status.size === 0 || status.size > MAX_RELEASE_BYTES) {
    return err(refused("invalid", `${from} is no regular file of up to ${MAX_RELEASE_BYTES} bytes`));
  }
  await using output = await open(to, "wx", 0o600);
  const chunk = new Uint8Array(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    const { bytesRead } = await input.read(chunk, 0, chunk.length, bytes);
    if (bytesRead === 0) break;
    bytes += bytesRead;
    if (bytes > MAX_RELEASE_BYTES) return err(refused("too_large", `${from} grows while it is read`));
    hash.update(chunk.subarray(0, bytesRead));
    await output.writeFile(chunk.subarray(0, bytesRead));
  }
  return ok({ bytes, sha256: hash.digest("hex") });
}
