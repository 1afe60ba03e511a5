/** What scans found out of contents, kept between them in one file. Losing it costs time alone. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { FactsCache, FileFactsEntry } from "../scan-repository.ts";

/** A larger one takes longer to read than the contents. */
const MAX_BYTES = 256 * 1024 * 1024;

export class FactsFile implements FactsCache {
  readonly #path: string;
  readonly #known: Map<string, FileFactsEntry>;
  /** Only what this scan asked for is kept: the rest is of files that are gone. */
  readonly #used = new Map<string, FileFactsEntry>();
  #isChanged = false;

  constructor(path: string) {
    this.#path = path;
    this.#known = read(path);
  }

  get(key: string): FileFactsEntry | undefined {
    const found = this.#known.get(key);
    if (found !== undefined) this.#used.set(key, found);
    return found;
  }

  put(key: string, entry: FileFactsEntry): void {
    this.#used.set(key, entry);
    this.#isChanged = true;
  }

  /** Replaces the file as a whole; a fault leaves the old one. */
  keep(): void {
    if (!this.#isChanged && this.#used.size === this.#known.size) return;
    const text = JSON.stringify([...this.#used]);
    if (text.length > MAX_BYTES) return rmSync(this.#path, { force: true });
    const fresh = `${this.#path}.new`;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(fresh, Bun.gzipSync(Buffer.from(text), { level: 1 }), { mode: 0o600 });
      renameSync(fresh, this.#path);
    } catch {
      rmSync(fresh, { force: true }); // a full disk: the next scan reads more
    }
  }
}

function read(path: string): Map<string, FileFactsEntry> {
  try {
    const text = Buffer.from(Bun.gunzipSync(readFileSync(path))).toString("utf8");
    // `as`: written by `keep`; the version of the facts is a part of each key.
    return new Map(JSON.parse(text) as [string, FileFactsEntry][]);
  } catch {
    return new Map(); // there is none, or it was not written to its end
  }
}
