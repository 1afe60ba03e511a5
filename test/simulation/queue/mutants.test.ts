import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MUTATIONS, type Mutation } from "./mutations.ts";

/**
 * The properties prove something only if they break when the code is broken. Each mutant is a copy of the rooms base
 * and queue with one defect, and of the properties, run in a process of its own.
 */
const ROOT = resolve(import.meta.dirname, "../../..");
const BROKEN = 3;
/** Enough for the rarest of the defects; most show within ten histories. */
const RUNS = 300;
const SEED = 20_261_121;
const AT_ONCE = 2;

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "drover-mutants-"));
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe("the properties of the queue", () => {
  it("hold for the code as it is, with the histories that mutants are given", async () => {
    const { code, output } = await run(copy("control"));

    expect({ code, output: code === 0 ? "" : output }).toEqual({ code: 0, output: "" });
  }, 60_000);

  it("know each defect's place: what it replaces stands exactly once", () => {
    const misplaced = MUTATIONS.filter(({ file, find, replace }) => {
      const source = readFileSync(join(ROOT, "src/queue", file), "utf8");
      return source.split(find).length !== 2 || find === replace;
    });

    expect(misplaced).toEqual([]);
    expect(new Set(MUTATIONS.map((mutation) => mutation.name)).size).toBe(MUTATIONS.length);
  });

  it("break for every mutant", async () => {
    const waiting = MUTATIONS.entries();
    const survivors: string[] = [];
    const worker = async (): Promise<void> => {
      for (const [index, mutation] of waiting) {
        const home = copy(`mutant-${index}`, mutation);
        const { code, output } = await run(home);
        if (code !== BROKEN) survivors.push(`${mutation.name} (exit ${code}): ${output.slice(0, 500)}`);
        rmSync(home, { recursive: true, force: true });
      }
    };

    await Promise.all(Array.from({ length: AT_ONCE }, worker));

    expect(survivors).toEqual([]);
  }, 180_000);
});

/** @returns a folder in which the properties run against a copy of the code with this defect. */
function copy(name: string, mutation?: Mutation): string {
  const home = join(dir, name);
  mkdirSync(home);
  for (const path of [
    "package.json",
    "src/base",
    "src/queue",
    "test/simulation/queue",
    "test/support/queue-world.ts",
  ]) {
    cpSync(join(ROOT, path), join(home, path), { recursive: true });
  }
  if (mutation !== undefined) {
    const path = join(home, "src/queue", mutation.file);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(mutation.find, () => mutation.replace),
    );
  }
  return home;
}

function run(home: string): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ["test/simulation/queue/main.ts", String(SEED), String(RUNS)], { cwd: home });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", fail);
    child.on("close", (code) => done({ code, output: Buffer.concat(chunks).toString() }));
  });
}
