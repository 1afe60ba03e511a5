import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { err, type Failure, ok, type Random, type Result, retryable, terminal } from "#base";

/** Layout of the state folder; everything drover writes lies below it. */
export type StateFolder = {
  readonly path: string;
  readonly tokenFile: string;
  /** Where the running node says how to reach it. */
  readonly nodeFile: string;
};

export function stateFolder(path: string): StateFolder {
  return {
    path,
    tokenFile: join(path, "token"),
    nodeFile: join(path, "node.json"),
  };
}

/** One of these says that a folder is drover's. */
const OWN_FILES = ["fleet.db", "node.json", "token"] as const;

/** Makes sure that the folder is there, is private, and can be written. A foreign folder is left as it is. */
export function prepareStateFolder(path: string): Result<StateFolder> {
  try {
    if (!existsSync(path)) mkdirSync(path, { recursive: true, mode: 0o700 });
    const status = statSync(path);
    if (!status.isDirectory()) {
      return err(terminal("invalid", `${path} is not a folder`, "Name a folder with --state"));
    }
    if ((status.mode & 0o077) !== 0) {
      if (!mayMakePrivate(path, status)) return err(notOurs(path));
      chmodSync(path, status.mode & 0o700);
    }
    const probe = join(path, ".write-probe");
    // Not flushed: a read-only folder and a full disk say so at once, and each flush makes a start wait for the disk.
    writeFileSync(probe, "drover\n", { mode: 0o600 });
    rmSync(probe);
    return ok(stateFolder(path));
  } catch (cause) {
    return err(folderFailure(path, cause));
  }
}

/** Taking a folder such as /tmp or a home away from everybody else would break what others do there. */
function mayMakePrivate(path: string, status: Stats): boolean {
  const user = process.getuid?.();
  if (user !== undefined && status.uid !== user) return false;
  const entries = readdirSync(path);
  return entries.length === 0 || OWN_FILES.some((name) => entries.includes(name));
}

function notOurs(path: string): Failure {
  return terminal(
    "invalid",
    `others may read ${path}, and it is not a folder of drover's: it holds other files or belongs to another user`,
    `Name a folder of its own with --state, such as ${join(path, "drover")}; it is made when it is not there`,
  );
}

/** The bearer token of this node's API, made at the first start. */
export function ensureToken(folder: StateFolder, random: Random): Result<string> {
  try {
    if (existsSync(folder.tokenFile)) {
      const token = readFileSync(folder.tokenFile, "utf8").trim();
      if (token.length >= 24) return ok(token);
    }
    const token = `drv_${Buffer.from(random.bytes(32)).toString("base64url")}`;
    writeDurably(folder.tokenFile, `${token}\n`);
    return ok(token);
  } catch (cause) {
    return err(folderFailure(folder.tokenFile, cause));
  }
}

/** Writes all or nothing, readable by the owner alone, and waits until it is on the disk. */
export function writeDurably(path: string, text: string): void {
  const draft = `${path}.new`;
  const descriptor = openSync(draft, "w", 0o600);
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
}

export function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Why a file of the state folder could not be used, and what to do. */
export function folderFailure(path: string, cause: unknown): Failure {
  // `as`: Node's file errors carry a code; anything else has none, which the last case takes.
  const code = (cause as { readonly code?: string }).code ?? "";
  const message = cause instanceof Error ? cause.message : String(cause);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return retryable(
      "disk_full",
      `cannot write ${path}: the disk is full`,
      "Free some space, or choose another folder with --state",
    );
  }
  if (code === "EROFS" || code === "EACCES" || code === "EPERM") {
    return terminal(
      "read_only",
      `cannot write ${path}: ${message}`,
      "Make it writable for this user, or choose another folder with --state",
    );
  }
  return terminal("unavailable", `cannot use ${path}: ${message}`, "Choose another folder with --state");
}
