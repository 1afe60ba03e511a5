/** What the processes and the state folder of a node come to at a moment. */
import { type Dirent, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { processesWithin } from "../../support/binary-processes.ts";
import { memoryOf, threadsCpuUs } from "../machine/processes.ts";

/** Figures by name, of one node at one moment; bytes in MiB. */
export type Sample = { readonly atMs: number; readonly figures: Readonly<Record<string, number>> };

const MIB = 1024 * 1024;
/** Of a state folder, so that one that grows without end does not hold up its own measurement. */
const MAX_ENTRIES = 200_000;

const ROLES = [
  ["watchdog", / up\b/],
  ["node", / node\b/],
  ["server", /sqld/],
] as const;

/** @param home the folder that holds the state folder of the node and nothing of another */
export function sampleOf(home: string, atMs: number): Sample {
  const figures: Record<string, number> = {};
  const add = (name: string, value: number): void => void (figures[name] = (figures[name] ?? 0) + value);
  const processes = new Map(
    [...processesWithin("DROVER_STATE", home), ...processesWithin("TMPDIR", home)].map((found) => [found.pid, found]),
  );
  for (const { pid, command } of processes.values()) {
    add("processes", 1);
    const role = ROLES.find(([, words]) => words.test(command))?.[0];
    if (role === undefined) continue;
    try {
      const { residentBytes, anonymousBytes } = memoryOf(pid);
      add(`${role} resident`, residentBytes / MIB);
      add(`${role} anonymous`, anonymousBytes / MIB);
      add(`${role} descriptors`, readdirSync(`/proc/${pid}/fd`).length);
      add(`${role} threads`, readdirSync(`/proc/${pid}/task`).length);
      add(`${role} cpu s`, threadsCpuUs(pid) / 1e6);
    } catch {
      // It ended meanwhile.
    }
  }
  for (const [part, { bytes, files }] of partsOf(join(home, "state"))) {
    add("disk", bytes / MIB);
    add("files", files);
    add(`disk of ${part}`, bytes / MIB);
    add(`files of ${part}`, files);
  }
  return { atMs, figures };
}

type Part = { bytes: number; files: number };

/** The entries of a state folder, each with all that is below it. */
function partsOf(state: string): ReadonlyMap<string, Part> {
  const parts = new Map<string, Part>();
  const walk = (folder: string, part: Part): void => {
    for (const entry of entriesOf(folder)) {
      if (part.files >= MAX_ENTRIES) return;
      const path = join(folder, entry.name);
      part.files += 1;
      if (entry.isDirectory()) walk(path, part);
      else part.bytes += sizeOf(path);
    }
  };
  for (const entry of entriesOf(state)) {
    const path = join(state, entry.name);
    const part: Part = { bytes: entry.isDirectory() ? 0 : sizeOf(path), files: 1 };
    if (entry.isDirectory()) walk(path, part);
    parts.set(entry.name, part);
  }
  return parts;
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // It was removed meanwhile.
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).blocks * 512;
  } catch {
    return 0;
  }
}

/** Change of a figure per hour by least squares over these samples; 0 where there are fewer than two. */
export function slopePerHour(samples: readonly Sample[], name: string): number {
  const points = samples.map(({ atMs, figures }) => [atMs / 3_600_000, figures[name] ?? 0] as const);
  const mean = (pick: 0 | 1): number => points.reduce((sum, point) => sum + point[pick], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  if (spread === 0) return 0;
  return points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
}
