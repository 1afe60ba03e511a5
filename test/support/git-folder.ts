/** A real repository in a temporary folder. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import {
  type FactsCache,
  type FileFactsEntry,
  type RepositoryScan,
  type ScanFinding,
  scanRepository,
  trackedState,
} from "#repos";

export class GitFolder {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "drover-scan-")));
  readonly cache = new MapCache();

  constructor(files: Readonly<Record<string, string>>) {
    this.git("init", "-q", "-b", "main");
    this.commit(files);
  }

  git(...args: readonly string[]): string {
    const who = ["-c", "user.name=A B", "-c", "user.email=a@example.com"];
    return execFileSync("git", [...who, ...args], { cwd: this.root, encoding: "utf8" });
  }

  commit(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), text);
    }
    this.git("add", "-A");
    this.git("commit", "-q", "-m", "state");
  }

  async scan(more: Partial<Parameters<typeof scanRepository>[1]> = {}): Promise<RepositoryScan> {
    const state = await trackedState(this.root, "HEAD");
    if (!state.ok) throw new Error(state.error.message);
    const scan = await scanRepository(state.value.files, {
      contents: state.value.contents,
      cache: this.cache,
      allowed: [],
      digest: (text) => createHash("sha256").update(text).digest("hex"),
      elapsedMs: () => 0,
      ...more,
    });
    if (!scan.ok) throw new Error(scan.error.message);
    return scan.value;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

class MapCache implements FactsCache {
  readonly #entries = new Map<string, FileFactsEntry>();

  get(key: string): FileFactsEntry | undefined {
    return this.#entries.get(key);
  }

  put(key: string, entry: FileFactsEntry): void {
    this.#entries.set(key, entry);
  }
}

/** `kind rule path:line` of each. */
export function placesOf(findings: readonly ScanFinding[]): readonly string[] {
  return findings.map(({ kind, rule, path, line }) => `${kind} ${rule} ${path}${line === null ? "" : `:${line}`}`);
}
