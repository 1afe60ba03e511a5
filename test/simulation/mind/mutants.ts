/** Copies of the room, each with one defect, and the proofs run against each in this process. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { checkAll } from "./check.ts";
import type { Mutation } from "./mutation.ts";
import { MUTATIONS } from "./mutations.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const SEED = 20_261_127;
/** Enough for the rarest of the defects. */
const RUNS = 200;
const HOURS = 2_000;

export type Fate = {
  readonly name: string;
  /** The law that broke; null for a survivor. */
  readonly law: string | null;
  readonly tookMs: number;
};

/** @returns the defects that do not stand exactly once in the source, or whose names repeat. */
export function misplaced(): readonly string[] {
  return MUTATIONS.filter(({ name, file, find, replace }) => {
    const source = readFileSync(join(ROOT, "src/fsm", file), "utf8");
    const twins = MUTATIONS.filter((other) => other.name === name).length;
    return source.split(find).length !== 2 || find === replace || twins !== 1;
  }).map(({ name }) => name);
}

/** Tells the fate of the code as it is, which must survive, and then of each mutant whose name holds `part`. */
export async function* fates(part: string): AsyncGenerator<Fate> {
  const dir = mkdtempSync(join(tmpdir(), "drover-mind-mutants-"));
  try {
    symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
    yield await fateOf(copy(dir, "control", undefined), "the code as it is");
    for (const [index, mutation] of MUTATIONS.entries()) {
      if (!mutation.name.includes(part)) continue;
      yield await fateOf(copy(dir, String(index), mutation), mutation.name);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function copy(dir: string, name: string, mutation: Mutation | undefined): string {
  const home = join(dir, name);
  mkdirSync(home);
  for (const path of ["package.json", "src/base", "src/fsm", "test/simulation/mind"]) {
    cpSync(join(ROOT, path), join(home, path), { recursive: true });
  }
  if (mutation !== undefined) {
    const path = join(home, "src/fsm", mutation.file);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(mutation.find, () => mutation.replace),
    );
  }
  return home;
}

async function fateOf(home: string, name: string): Promise<Fate> {
  // `as`: the copy of the file whose type is imported above.
  const proofs = (await import(join(home, "test/simulation/mind/check.ts"))) as { readonly checkAll: typeof checkAll };
  const startedMs = performance.now();
  const law = broken(() => proofs.checkAll(SEED, RUNS, HOURS));
  return { name, law, tookMs: performance.now() - startedMs };
}

/** @returns the law that the action breaks. Anything else that it throws is a fault of the proofs, and thrown on. */
function broken(action: () => void): string | null {
  try {
    action();
    return null;
  } catch (cause) {
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
    if (inner instanceof Error && inner.name === "Violation") return inner.message;
    throw cause;
  }
}
