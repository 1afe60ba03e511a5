import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Mutation } from "./mutations.ts";

export const ROOT = resolve(import.meta.dirname, "../../..");
/** Most defects show within twenty histories; the rarest need some hundred. */
const SEEDS = 1_500;
const RARE_SEEDS = 8_000;

export type Fate = {
  /** The seed whose history showed it, and the rule that was broken; undefined for a survivor. */
  readonly caught: { readonly seed: number; readonly rule: string } | undefined;
  readonly output: string;
};

/** Copies of the rooms and of this simulation, each with one defect, in a folder that goes in the end. */
export class Mutants {
  readonly #dir = mkdtempSync(join(tmpdir(), "drover-fleet-mutants-"));
  #n = 0;

  constructor() {
    symlinkSync(join(ROOT, "node_modules"), join(this.#dir, "node_modules"));
  }

  end(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Plays histories against the code with this defect, from the first seed on. */
  async play(mutation: Mutation): Promise<Fate> {
    const home = this.#copy(mutation);
    const kind = ["--of", mutation.of ?? "work"];
    const off = (mutation.without ?? []).flatMap((rule) => ["--without", rule]);
    const output = await run(home, ["--seeds", String(mutation.isRare === true ? RARE_SEEDS : SEEDS), ...kind, ...off]);
    rmSync(home, { recursive: true, force: true });
    const found = /^seed (\d+) breaks "([a-z ]+)"/m.exec(output);
    return { caught: found === null ? undefined : { seed: Number(found[1]), rule: found[2] ?? "" }, output };
  }

  #copy({ file, find, replace }: Mutation): string {
    this.#n += 1;
    const home = join(this.#dir, String(this.#n));
    mkdirSync(home);
    const paths = ["package.json", "src/base", "src/queue", "src/fleet", "test/simulation/fleet"];
    for (const path of [...paths, "test/support/queue-world.ts"]) {
      cpSync(join(ROOT, path), join(home, path), { recursive: true });
    }
    const path = join(home, "src", file);
    writeFileSync(
      path,
      readFileSync(path, "utf8").replace(find, () => replace),
    );
    return home;
  }
}

function run(home: string, words: readonly string[]): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ["test/simulation/fleet/main.ts", ...words], { cwd: home });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", fail);
    child.on("close", () => done(Buffer.concat(chunks).toString()));
  });
}
