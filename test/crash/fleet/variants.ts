/**
 * Executables for these tests alone: made from a copy of the source with some places of it replaced. Nothing of them is in the
 * source that is released, so that no switch can be left on.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../../..");
const BUILD_LIMIT_MS = 900_000;

/** `find` stands exactly once in the file and is replaced. */
export type Edit = {
  /** Below src. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};

/** Looked at as often as a jump can be noticed; each reading of the clock would otherwise read a file. */
const LOOK_EVERY_MS = 20;

/**
 * A node whose wall clock is as far from the machine's as the file says that its environment names. The tokens for its libSQL
 * server stay those of the machine's clock: a real jump moves both.
 */
export const MOVABLE_CLOCK: readonly Edit[] = [
  {
    file: "runtime/real-clock.ts",
    find: "  nowMs: () => Date.now(),",
    replace: "  nowMs: () => Date.now() + skewMs(),",
  },
  {
    file: "runtime/real-clock.ts",
    find: `import type { Clock, Random } from "#base";\n`,
    replace: `import { readFileSync } from "node:fs";
import type { Clock, Random } from "#base";

const skew = { ms: 0, lookAtMs: 0 };
function skewMs(): number {
  const file = process.env["DROVER_SKEW_FILE"];
  if (file === undefined || performance.now() < skew.lookAtMs) return skew.ms;
  skew.lookAtMs = performance.now() + ${LOOK_EVERY_MS};
  try {
    skew.ms = Number(readFileSync(file, "utf8")) || skew.ms;
  } catch {
    // Its clock was not moved yet.
  }
  return skew.ms;
}
`,
  },
  {
    file: "runtime/fleet/server.ts",
    find: "serverToken(this.#key, access, this.#parts.clock.nowMs() + TOKEN_LIFE_MS)",
    replace: "serverToken(this.#key, access, Date.now() + TOKEN_LIFE_MS)",
  },
];

/** @returns the places that the source does not have exactly once. */
export function misplaced(edits: readonly Edit[]): readonly Edit[] {
  return edits.filter(({ file, find, replace }) => {
    return readFileSync(join(ROOT, "src", file), "utf8").split(find).length !== 2 || find === replace;
  });
}

/** Executables that go in the end. */
export class Variants {
  readonly #folder = mkdtempSync(join(tmpdir(), "drover-variants-"));
  #made = 0;

  /** @returns the path of an executable with these changes. */
  build(edits: readonly Edit[]): string {
    const wrong = misplaced(edits);
    if (wrong.length > 0)
      throw new Error(`not once in the source: ${wrong.map(({ file, find }) => `${file}: ${find}`).join("; ")}`);
    this.#made += 1;
    const [home, out] = ["source", "out"].map((name) => join(this.#folder, `${this.#made}-${name}`));
    if (home === undefined || out === undefined) throw new Error("there are two folders");
    mkdirSync(home);
    for (const path of ["src", "build", "package.json", "tsconfig.json"])
      cpSync(join(ROOT, path), join(home, path), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(home, "node_modules"));
    for (const { file, find, replace } of edits) {
      const path = join(home, "src", file);
      writeFileSync(
        path,
        readFileSync(path, "utf8").replace(find, () => replace),
      );
    }
    const built = spawnSync(process.execPath, ["build/main.ts", "--without-selftest", "--out", out], {
      cwd: home,
      encoding: "utf8",
      timeout: BUILD_LIMIT_MS,
    });
    if (built.status !== 0) throw new Error(`the executable could not be made: ${built.stdout}${built.stderr}`);
    rmSync(home, { recursive: true, force: true });
    return join(out, "drover");
  }

  end(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
