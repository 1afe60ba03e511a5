/** Runs the swap under strace, once for each of its calls, and kills it at the entry of that call. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describePoint, interruptedCalls, type Point, pointsIn, TRACED } from "./points.ts";
import { type Aftermath, aftermath, makeWorld, NEW, OLD, says } from "./world.ts";

export type Mode = "swap" | "recover" | "naive";

/** A program may open one more file at its start than the last time; then the kill hits another call, and is repeated. */
const TRIES = 6;
const RUN_LIMIT_MS = 60_000;

export function hasStrace(): boolean {
  return spawnSync("strace", ["-V"], { stdio: "ignore" }).status === 0;
}

export type Workshop = {
  readonly folder: string;
  /**
   * A fresh copy of the world under the same path each time.
   * @param label at which a swap in it was killed before; null for none.
   */
  readonly reset: (label: string | null) => void;
  readonly traced: (mode: Mode, inject?: string) => string;
  /** @returns whether the program passed that label, and so was killed. */
  readonly labelled: (mode: Mode, label: string) => boolean;
  readonly remove: () => void;
};

/** Makes world and program once; each kill works on a copy. */
export async function openWorkshop(): Promise<Workshop> {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), "drover-kill-")));
  const template = join(scratch, "template");
  const folder = join(scratch, "world");
  const trace = join(scratch, "trace");
  mkdirSync(template);
  await makeWorld(template);
  const built = await Bun.build({
    entrypoints: [join(import.meta.dirname, "swap-main.ts")],
    target: "bun",
    outdir: scratch,
    naming: "swap.js",
  });
  if (!built.success) throw new Error(built.logs.map(String).join("\n"));
  const program = [process.execPath, join(scratch, "swap.js")];
  const copy = (from: string, to: string): void => {
    rmSync(to, { recursive: true, force: true });
    const done = spawnSync("cp", ["-a", from, to]);
    if (done.status !== 0) throw new Error(done.stderr.toString());
  };
  const labelled = (mode: Mode, label: string): boolean => {
    const env = { ...process.env, DROVER_CRASH_POINT: label };
    const [command, ...args] = [...program, mode, folder];
    return spawnSync(command, args, { env, stdio: "ignore", timeout: RUN_LIMIT_MS }).signal === "SIGKILL";
  };
  return {
    folder,
    reset: (label) => {
      const kept = label === null ? template : join(scratch, `after-${label.replace(/\W/g, "-")}`);
      if (!existsSync(kept)) {
        copy(template, folder);
        if (!labelled("swap", label ?? "")) throw new Error(`no swap passes ${label ?? ""}`);
        copy(folder, kept);
      }
      copy(kept, folder);
    },
    traced: (mode, inject) => {
      const injected = inject === undefined ? [] : ["-e", `inject=${inject}`];
      const args = [
        "-f",
        "-qq",
        "-y",
        "-s",
        "4096",
        "-o",
        trace,
        "-e",
        `trace=${TRACED}`,
        ...injected,
        ...program,
        mode,
        folder,
      ];
      spawnSync("strace", args, { timeout: RUN_LIMIT_MS, stdio: "ignore" });
      return readFileSync(trace, "utf8");
    },
    labelled,
    remove: () => rmSync(scratch, { recursive: true, force: true }),
  };
}

/** What is run, and what a swap that was killed at a label had left before. */
export type Round = { readonly mode: Mode; readonly after: string | null };

export function pointsOf(shop: Workshop, { mode, after }: Round): readonly Point[] {
  shop.reset(after);
  return pointsIn(shop.traced(mode), shop.folder);
}

/** Kills at the entry of one call. @returns false when that very call could not be hit. */
function killAt(shop: Workshop, { mode, after }: Round, point: Point): boolean {
  for (let tries = 0; tries < TRIES; tries += 1) {
    shop.reset(after);
    const trace = shop.traced(mode, `${point.name}:signal=KILL:when=${point.nth}`);
    if (interruptedCalls(trace).some((hit) => hit.name === point.name && hit.paths.join() === point.paths.join()))
      return true;
  }
  return false;
}

export type Tally = {
  readonly points: number;
  /** Points at which nothing was killed: those prove nothing. */
  readonly missed: readonly string[];
  readonly bootOld: number;
  readonly bootNew: number;
  /** Points after which nothing could be started. */
  readonly unrunnable: number;
  readonly faults: readonly string[];
};

/** Kills at each of `points` and looks at what is left. */
export async function killAtCalls(shop: Workshop, round: Round, points: readonly Point[]): Promise<Tally> {
  const places = points.map((point) => ({ name: describePoint(point), kill: () => killAt(shop, round, point) }));
  return killAtPlaces(shop, round, places);
}

/** Kills at each passage of each label. A label that is not passed in this mode has no passages. */
export async function killAtLabels(shop: Workshop, round: Round, labels: readonly string[]): Promise<Tally> {
  const places = labels.flatMap((label) => {
    const passages: { name: string; kill: () => boolean }[] = [];
    const kill = (name: string) => (): boolean => {
      shop.reset(round.after);
      return shop.labelled(round.mode, name);
    };
    for (let nth = 1; kill(`${label}#${nth}`)(); nth += 1) {
      passages.push({ name: `${label}#${nth}`, kill: kill(`${label}#${nth}`) });
    }
    return passages;
  });
  return killAtPlaces(shop, round, places);
}

async function killAtPlaces(
  shop: Workshop,
  { mode }: Round,
  places: readonly { readonly name: string; readonly kill: () => boolean }[],
): Promise<Tally> {
  const missed: string[] = [];
  const seen: Aftermath[] = [];
  const faults: string[] = [];
  for (const { name, kill } of places) {
    if (!kill()) {
      missed.push(name);
      continue;
    }
    const after = mode === "naive" ? controlAftermath(shop.folder) : await aftermath(shop.folder);
    seen.push(after);
    faults.push(...after.faults.map((fault) => `${name}: ${fault}`));
  }
  const boots = (version: string): number => seen.filter(({ before }) => before === version).length;
  const unrunnable = seen.filter(({ before }) => before === null).length;
  return { points: places.length, missed, bootOld: boots(OLD), bootNew: boots(NEW), unrunnable, faults };
}

function controlAftermath(folder: string): Aftermath {
  const before = says(join(folder, "naive", "drover"));
  return { before, after: before, faults: [] };
}
