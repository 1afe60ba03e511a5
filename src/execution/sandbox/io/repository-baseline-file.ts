/**
 * The baseline of one repository on disk, in the private folder of the attempt that holds it: outside what its commands
 * can write in modes strict and kernel. It goes with that folder.
 */
import { chmodSync, closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { errorCode } from "../../io/system-failure.ts";
import type { Entry, RepositoryBaseline } from "./repository-baseline.ts";
import type { GuardedRepository } from "./repository-layout.ts";

const PREFIX = "git-baseline-";
const SUFFIX = ".json";
/** Of a hash: enough that no two repositories of a host share a name. */
const KEY_CHARS = 32;

const owner = z.object({ mode: z.int(), uid: z.int(), gid: z.int() });
const entrySchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("absent") }),
  z.object({ kind: z.literal("file"), signature: z.string(), base64: z.string(), owner }),
  z.object({ kind: z.literal("link"), signature: z.string(), target: z.string() }),
  z.object({
    kind: z.literal("folder"),
    signature: z.string(),
    owner,
    names: z.array(z.string()),
    closed: z.boolean(),
  }),
]);
const baselineSchema = z.object({
  version: z.literal(1),
  gitDir: z.string().nullable(),
  /** Absent in what an older drover wrote, which knew no nested ones. */
  nestedIn: z.string().nullable().default(null),
  watched: z.array(z.string()),
  entries: z.array(z.tuple([z.string(), entrySchema])),
});
type StoredEntry = z.infer<typeof entrySchema>;

export class BaselineFile {
  readonly #privateFolder: string;
  readonly #name: string;
  #written: string | undefined;

  constructor(repository: GuardedRepository, privateFolder: string) {
    const key = new Bun.CryptoHasher("sha256").update(JSON.stringify([repository.gitDir, repository.watched]));
    this.#name = `${PREFIX}${key.digest("hex").slice(0, KEY_CHARS)}${SUFFIX}`;
    this.#privateFolder = privateFolder;
  }

  /** Durable when it returns. Throws system errors. */
  write(baseline: RepositoryBaseline): void {
    const text = encode(baseline);
    if (text === this.#written) return;
    const path = join(this.#privateFolder, this.#name);
    const draft = `${path}.tmp`;
    const fd = openSync(draft, "w", 0o600);
    try {
      writeAll(fd, Buffer.from(text));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, path);
    syncFolder(this.#privateFolder);
    this.#written = text;
  }

  /** @returns the baseline of the same repository that another attempt holds: one that runs, or was not cleaned up yet. */
  heldByAnother(): RepositoryBaseline | undefined {
    const root = dirname(this.#privateFolder);
    for (const attempt of readdirSync(root)) {
      if (attempt === basename(this.#privateFolder)) continue;
      const held = read(join(root, attempt, this.#name));
      if (held !== undefined) return held;
    }
    return undefined;
  }
}

/** @returns the baselines in a private folder: of an attempt whose worker has ended. Throws system errors. */
export function readBaselines(privateFolder: string): readonly RepositoryBaseline[] {
  return namesIn(privateFolder)
    .filter((name) => name.startsWith(PREFIX) && name.endsWith(SUFFIX))
    .flatMap((name) => read(join(privateFolder, name)) ?? []);
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    if (errorCode(error) !== "EACCES") throw error;
    chmodSync(folder, 0o711); // Commands without a user of their own can change the mode, though not the content.
    return readdirSync(folder);
  }
}

function read(path: string): RepositoryBaseline | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code !== "EACCES") throw error;
    chmodSync(dirname(path), 0o711);
    chmodSync(path, 0o600);
    text = readFileSync(path, "utf8");
  }
  const { version: _, entries, ...repository } = baselineSchema.parse(JSON.parse(text));
  return { ...repository, entries: new Map(entries.map(([name, entry]) => [name, decodeEntry(entry)])) };
}

function encode({ gitDir, nestedIn, watched, entries }: RepositoryBaseline): string {
  const stored = [...entries].map(([path, entry]) => [path, encodeEntry(entry)]);
  return JSON.stringify({ version: 1, gitDir, nestedIn, watched, entries: stored });
}

function encodeEntry(entry: Entry): StoredEntry {
  switch (entry.kind) {
    case "absent":
    case "link":
      return entry;
    case "file":
      return {
        kind: "file",
        signature: entry.signature,
        base64: Buffer.from(entry.bytes).toString("base64"),
        owner: entry.owner,
      };
    case "folder":
      return { ...entry, names: [...entry.names] };
  }
}

function decodeEntry(entry: StoredEntry): Entry {
  switch (entry.kind) {
    case "absent":
    case "link":
      return entry;
    case "file":
      return {
        kind: "file",
        signature: entry.signature,
        bytes: Buffer.from(entry.base64, "base64"),
        owner: entry.owner,
      };
    case "folder":
      return { ...entry, names: new Set(entry.names) };
  }
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
