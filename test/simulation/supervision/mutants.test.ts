import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MUTATIONS, type Mutation } from "./mutations.ts";

/**
 * The properties prove something only if they break when the code is broken. Each mutant is a copy of the rooms base
 * and watchdog with one defect, and of the properties, run in a process of its own.
 */
const ROOT = resolve(import.meta.dirname, "../../..");
const BROKEN = 3;
const SEED = 20_261_126;
/** Enough for the rarest of the defects. */
const RUNS = 3_000;

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "drover-supervision-mutants-"));
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
});
afterAll(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe("the properties W1 to W9 of supervision", () => {
  it("hold for the code as it is, with the histories that mutants are given", async () => {
    expect(await run(copy("control"))).toEqual({ code: 0, output: "" });
  }, 60_000);

  it("know each defect's place: what it replaces stands exactly once", () => {
    const misplaced = MUTATIONS.filter(({ file, find, replace }) => {
      const source = readFileSync(join(ROOT, "src/watchdog", file), "utf8");
      return source.split(find).length !== 2 || find === replace;
    });

    expect(misplaced).toEqual([]);
    expect(new Set(MUTATIONS.map((mutation) => mutation.name)).size).toBe(MUTATIONS.length);
  });

  it("break for every mutant", async () => {
    const survivors: string[] = [];
    for (const [index, mutation] of MUTATIONS.entries()) {
      const { code, output } = await run(copy(`mutant-${index}`, mutation));
      if (code !== BROKEN) survivors.push(`${mutation.name} (exit ${code}): ${output.slice(0, 500)}`);
    }

    expect(survivors).toEqual([]);
  }, 120_000);
});

/** @returns a folder in which the properties run against a copy of the code with this defect. */
function copy(name: string, mutation?: Mutation): string {
  const home = join(dir, name);
  mkdirSync(home);
  for (const path of ["package.json", "src/base", "src/watchdog", "test/simulation/supervision"]) {
    cpSync(join(ROOT, path), join(home, path), { recursive: true });
  }
  if (mutation !== undefined) {
    const path = join(home, "src/watchdog", mutation.file);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(mutation.find, () => mutation.replace),
    );
  }
  return home;
}

async function run(home: string): Promise<{ readonly code: number; readonly output: string }> {
  const command = [process.execPath, "test/simulation/supervision/main.ts", String(SEED), String(RUNS)];
  const child = Bun.spawn(command, { cwd: home, stdio: ["ignore", "pipe", "pipe"] });
  const [out, faults] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, output: out + faults };
}
