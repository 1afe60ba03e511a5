/** What must hold of the histories that the hubs of a fleet wrote, one after the other or side by side. Checks are pure. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { z } from "zod";
import type { Accepted } from "../producers.ts";

const claimSchema = z.object({
  seq: z.int(),
  taskId: z.string(),
  atMs: z.int(),
  node: z.string(),
  epoch: z.int(),
  fence: z.int(),
});
const historySchema = z.object({
  integrity: z.string(),
  tasks: z.array(z.object({ id: z.string(), state: z.string() })),
  /** `printed`: what the command wrote to its output, as the report brought it. */
  passed: z.array(
    z.object({
      taskId: z.string(),
      n: z.int(),
      epoch: z.int(),
      fence: z.int(),
      printed: z.string().nullable(),
    }),
  ),
  claims: z.array(claimSchema),
});
export type History = z.infer<typeof historySchema>;
type Claim = z.infer<typeof claimSchema>;

/** Reads the database of a hub in a process of its own, read-only, with SQLite as it comes with Bun. */
export function historyOf(path: string): History {
  const script = join(import.meta.dirname, "history-main.ts");
  const read = spawnSync(process.execPath, [script, path], { encoding: "utf8", maxBuffer: 256 * 1024 * 1024 });
  if (read.status !== 0) throw new Error(`${path} could not be read: ${read.stderr}`);
  return historySchema.parse(JSON.parse(read.stdout));
}

/** What an attempt of a task that writes prints, and adds to the file that is named after its title. */
export const LINE = 'line="$DROVER_TASK_ID $DROVER_ATTEMPT $DROVER_FENCE"; echo "$line"; echo "$line" >> "$OUT"';

export type FleetEvidence = {
  /** Of the hub that there is in the end. */
  readonly last: History;
  /** Of hubs whose place others took, by their sites. */
  readonly former: ReadonlyMap<string, readonly History[]>;
  readonly accepted: readonly (Accepted & { readonly site: string })[];
  /** By title, the lines that attempts wrote. */
  readonly lines: ReadonlyMap<string, readonly string[]>;
};

export type FleetVerdict = {
  readonly violations: readonly string[];
  /** Accepted by a hub alone that was replaced: they are in its quarantine and nowhere else. */
  readonly quarantined: readonly string[];
  /** Results that a former hub had taken, of tasks that ran again under the last one. */
  readonly superseded: number;
};

export function judge(evidence: FleetEvidence): FleetVerdict {
  const { last, former } = evidence;
  const histories = [last, ...[...former.values()].flat()];
  const promised = promises(evidence);
  return {
    violations: [
      ...promised.violations,
      ...histories.flatMap(damages),
      ...results(evidence),
      ...histories.flatMap(rising),
      ...distinct(histories),
    ],
    quarantined: promised.quarantined,
    superseded: superseded(histories),
  };
}

/** What a member accepted outlives its hub; what a hub alone accepted outlives it in quarantine. */
function promises({ last, former, accepted }: FleetEvidence): Pick<FleetVerdict, "violations" | "quarantined"> {
  const known = new Set(last.tasks.map(({ id }) => id));
  const violations: string[] = [];
  const quarantined: string[] = [];
  for (const { id, title, site } of accepted) {
    if (known.has(id)) continue;
    const isKept = (former.get(site) ?? []).some(({ tasks }) => tasks.some((task) => task.id === id));
    if (isKept) quarantined.push(id);
    else violations.push(`lost: ${title} (${id}) was accepted on ${site} and is nowhere`);
  }
  return { violations, quarantined };
}

function damages({ integrity }: History): readonly string[] {
  return integrity === "ok" ? [] : [`damaged: ${integrity}`];
}

/** A report counts only from the attempt whose fence it was accepted under: what it printed says which one that was. */
function results({ last, accepted, lines }: FleetEvidence): readonly string[] {
  const titles = new Map(accepted.flatMap(({ id, title, writes }) => (writes ? [[id, title] as const] : [])));
  return last.passed.flatMap(({ taskId, n, epoch, fence, printed }) => {
    const title = titles.get(taskId);
    if (title === undefined) return [];
    const line = `${taskId} ${n} ${fenceText(epoch, fence)}`;
    if (printed?.trim() !== line) return [`stale report: ${title} was ended under "${line}" by "${printed?.trim()}"`];
    return lines.get(title)?.includes(line) === true
      ? []
      : [`no run: ${title} was ended under "${line}", which ran not`];
  });
}

/** As a command is told it. */
export function fenceText(epoch: number, n: number): string {
  return `${String(epoch).padStart(16, "0")}.${String(n).padStart(16, "0")}`;
}

function rising({ claims }: History): readonly string[] {
  const lastOf = new Map<string, Claim>();
  return claims.flatMap((claim) => {
    const before = lastOf.get(claim.taskId);
    lastOf.set(claim.taskId, claim);
    const rises = before === undefined || before.epoch < claim.epoch || isSameEpochLater(before, claim);
    return rises ? [] : [`fences: ${claim.taskId} got ${shown(claim)} after ${shown(before)}`];
  });
}

function isSameEpochLater(before: Claim, after: Claim): boolean {
  return before.epoch === after.epoch && before.fence < after.fence;
}

/** Histories begin alike; where they part, no fence is given out on both sides. */
function distinct(histories: readonly History[]): readonly string[] {
  const given = new Map<string, string>();
  const found = new Set<string>();
  for (const { claims } of histories) {
    for (const claim of claims) {
      const what = `${claim.taskId} to ${claim.node} as event ${claim.seq} at ${claim.atMs}`;
      const other = given.get(shown(claim));
      if (other !== undefined && other !== what)
        found.add(`fences: ${shown(claim)} was given for ${other} and ${what}`);
      given.set(shown(claim), what);
    }
  }
  return [...found];
}

function superseded([last, ...former]: readonly History[]): number {
  const keyOf = ({ taskId, epoch, fence }: History["passed"][number]): string => `${taskId} ${epoch} ${fence}`;
  const kept = new Set((last?.passed ?? []).map(keyOf));
  const lost = former.flatMap(({ passed }) => passed.map(keyOf)).filter((key) => !kept.has(key));
  return new Set(lost).size;
}

function shown({ epoch, fence }: Pick<Claim, "epoch" | "fence">): string {
  return `(${epoch}, ${fence})`;
}
