// @ts-check
/**
 * Fetches one file out of one npm package, by exact version, and refuses it unless its digest is the one on record.
 * Plain Node without dependencies: bootstrap.mjs needs it before anything else is installed, and the build uses it for
 * the parts of other platforms.
 *
 * WHY npm and not fetch(): npm knows the registry, proxy and certificates of this machine, we do not.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";

/** A package could not be had; the message says which and what to do. */
export class PackageUnavailable extends Error {}

/**
 * @param {readonly string[]} args
 * @param {string} cwd
 * @returns {{ ok: boolean, stdout: string, stderr: string }}
 */
export function npm(args, cwd) {
  const onWindows = process.platform === "win32";
  const done = spawnSync(onWindows ? "npm.cmd" : "npm", ["--loglevel=error", ...args], {
    cwd,
    encoding: "utf8",
    // A .cmd file is a script of the Windows shell; elsewhere no shell sees the arguments.
    shell: onWindows,
  });
  if (done.error !== undefined)
    return { ok: false, stdout: "", stderr: `npm could not be started: ${done.error.message}` };
  return { ok: done.status === 0, stdout: done.stdout, stderr: done.stderr };
}

/**
 * The digest that the lockfile states for a package, or undefined when the lockfile does not name it.
 * @param {string} lockText content of bun.lock (JSON with trailing commas)
 * @param {string} name
 * @param {string} version
 * @returns {string | undefined}
 */
export function lockedIntegrity(lockText, name, version) {
  const lock = /** @type {{ packages?: Record<string, readonly unknown[]> }} */ (
    JSON.parse(lockText.replace(/,(\s*[}\]])/g, "$1"))
  );
  const entry = lock.packages?.[name];
  if (entry?.[0] !== `${name}@${version}`) return undefined;
  const digest = entry.at(-1);
  return typeof digest === "string" && digest.startsWith("sha512-") ? digest : undefined;
}

/**
 * One regular file out of a .tgz, or undefined when it is not in there. Reads the ustar headers that npm writes:
 * 512-byte blocks, name at 0, size in octal at 124, type at 156, name prefix at 345.
 * @param {Uint8Array} tgz
 * @param {string} wanted path inside the archive
 * @returns {Buffer | undefined}
 */
export function fileInTarball(tgz, wanted) {
  const tar = gunzipSync(tgz);
  /** @param {number} from @param {number} length */
  const text = (from, length) => tar.toString("utf8", from, from + length).split("\0", 1)[0] ?? "";
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const prefix = text(at + 345, 155);
    const name = prefix === "" ? text(at, 100) : `${prefix}/${text(at, 100)}`;
    const type = text(at + 156, 1);
    if (name === wanted && (type === "0" || type === "")) return tar.subarray(at + 512, at + 512 + size);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return undefined;
}

/**
 * Makes sure that `target` holds the wanted file of `name@version`; does nothing when it is already there.
 * @param {{ root: string, name: string, version: string, file: string, target: string, mode: number }} want
 * @returns {void}
 * @throws {PackageUnavailable}
 */
export function ensurePackageFile({ root, name, version, file, target, mode }) {
  if (existsSync(target)) return;
  const id = `${name}@${version}`;
  mkdirSync(dirname(target), { recursive: true });
  // Beside the target, so that the rename at the end is atomic: a killed run leaves no half file under the final name.
  const scratch = mkdtempSync(join(dirname(target), "fetch-"));
  try {
    const packed = npm(["pack", id, "--ignore-scripts", "--json", "--pack-destination", scratch], scratch);
    if (!packed.ok) throw new PackageUnavailable(unreachable(id, packed.stderr));
    const listed = /** @type {readonly { filename: string }[]} */ (JSON.parse(packed.stdout));
    // Some versions of npm name a scoped package's archive with a slash in this list, and with a dash on disk.
    const archive = (listed[0]?.filename ?? "").replace(/^@/, "").replace("/", "-");
    const tgz = readFileSync(join(scratch, archive));
    checkDigest(id, tgz, expectedDigest(root, name, version));
    const content = fileInTarball(tgz, `package/${file}`);
    if (content === undefined) throw new PackageUnavailable(`${id} holds no ${file}`);
    writeFileSync(join(scratch, "content"), content, { mode });
    renameSync(join(scratch, "content"), target);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** @param {string} root @param {string} name @param {string} version */
function expectedDigest(root, name, version) {
  const locked = lockedIntegrity(readFileSync(join(root, "bun.lock"), "utf8"), name, version);
  if (locked !== undefined) return locked;
  // Not every platform part is in the lockfile (Bun's baseline builds are not); the registry's own statement is next.
  const asked = npm(["view", `${name}@${version}`, "dist.integrity"], root);
  if (!asked.ok) throw new PackageUnavailable(unreachable(`${name}@${version}`, asked.stderr));
  return asked.stdout.trim();
}

/** @param {string} id @param {Uint8Array} tgz @param {string} expected */
function checkDigest(id, tgz, expected) {
  const actual = `sha512-${createHash("sha512").update(tgz).digest("base64")}`;
  if (actual === expected) return;
  throw new PackageUnavailable(
    `${id} was fetched but its content is not the one on record (expected ${expected}, got ${actual}). ` +
      "Nothing of it was used. Clear npm's cache (npm cache clean --force) and try again; if it stays, do not trust the registry.",
  );
}

/** @param {string} id @param {string} detail */
function unreachable(id, detail) {
  return (
    `npm could not fetch ${id}.\n` +
    `  What npm said: ${detail.trim().split("\n").slice(0, 4).join("\n                 ")}\n` +
    "  What to do: check the network and the registry (`npm config get registry`, `npm ping`), then run this again."
  );
}
