/** What must hold after a crash run. Pure: what clients were promised against what the database says. */
import type { Accepted } from "./producers.ts";
import type { StoredRows } from "./stored-rows.ts";

export type Violation = {
  readonly rule:
    | "lost" // an accepted task is not in the database
    | "repeated" // one submission became two tasks
    | "unended" // a task did not end as it has to
    | "applied twice" // a result counts more than once, or an attempt ran twice
    | "attempts" // attempts do not add up
    | "fences" // two claims with one fence, or a later one with a smaller
    | "history" // events do not tell how the task came to its state
    | "order" // a task started before its dependency was done
    | "counters" // the lanes' counters are not those of the rows
    | "damaged"; // the database is not whole
  readonly detail: string;
};

/** @param lines by title, what each task's command wrote: one line "<task> <attempt>" per attempt that ran. */
export type Evidence = {
  readonly rows: StoredRows;
  readonly accepted: readonly Accepted[];
  readonly lines: ReadonlyMap<string, readonly string[]>;
};

/** @returns everything that is wrong; nothing when every promise was kept. */
export function violationsOf(evidence: Evidence): readonly Violation[] {
  const { rows, accepted } = evidence;
  return [
    ...(rows.integrity === "ok" ? [] : [{ rule: "damaged", detail: rows.integrity } as const]),
    ...promises(rows, accepted),
    ...results(rows),
    ...runs(evidence),
    ...histories(rows),
    ...counters(rows),
  ];
}

function promises(rows: StoredRows, accepted: readonly Accepted[]): readonly Violation[] {
  const byId = new Map(rows.tasks.map((task) => [task.id, task]));
  const found: Violation[] = [];
  for (const { id, title, expected } of accepted) {
    const task = byId.get(id);
    if (task?.title !== title) found.push({ rule: "lost", detail: `${title} (${id}) was accepted and is not there` });
    else if (task.state !== expected)
      found.push({ rule: "unended", detail: `${title} is ${task.state}, not ${expected}` });
  }
  const promised = new Set(accepted.map(({ id }) => id));
  for (const task of rows.tasks) {
    if (promised.has(task.id) || ["done", "dead", "cancelled"].includes(task.state)) continue;
    found.push({ rule: "unended", detail: `${task.title} is ${task.state}` });
  }
  for (const [title, many] of counted(rows.tasks.map((task) => task.title))) {
    if (many > 1) found.push({ rule: "repeated", detail: `${title} is there ${many} times` });
  }
  return found;
}

function results(rows: StoredRows): readonly Violation[] {
  const attemptsOf = Map.groupBy(rows.attempts, ({ taskId }) => taskId);
  const found: Violation[] = [];
  for (const task of rows.tasks) {
    const attempts = attemptsOf.get(task.id) ?? [];
    const passed = attempts.filter(({ outcome }) => outcome === "passed").length;
    if (passed !== (task.state === "done" ? 1 : 0)) {
      found.push({ rule: "applied twice", detail: `${task.title} is ${task.state} with ${passed} passed attempts` });
    }
    const isCounted = attempts.length === task.attempts && attempts.every(({ n }, index) => n === index + 1);
    if (!isCounted || task.attempts > task.attemptLimit) {
      found.push({
        rule: "attempts",
        detail: `${task.title}: ${task.attempts} of ${task.attemptLimit}, rows ${attempts.map(({ n }) => n).join()}`,
      });
    }
    if (attempts.some((attempt, index) => index > 0 && !isLater(attempt, attempts[index - 1]))) {
      const fences = attempts.map(({ epoch, fence }) => `${epoch}.${fence}`);
      found.push({ rule: "fences", detail: `${task.title}: ${fences.join()} do not rise` });
    }
  }
  for (const [fence, many] of counted(rows.attempts.map(({ epoch, fence }) => `${epoch}.${fence}`))) {
    if (many > 1) found.push({ rule: "fences", detail: `fence ${fence} was given to ${many} attempts` });
  }
  return found;
}

type Fenced = { readonly epoch: number; readonly fence: number };

/** By epoch first; one number for both would not be exact. */
function isLater({ epoch, fence }: Fenced, before: Fenced | undefined): boolean {
  return before === undefined || epoch > before.epoch || (epoch === before.epoch && fence > before.fence);
}

/** The commands' own lines, which no part of drover wrote. */
function runs({ rows, accepted, lines }: Evidence): readonly Violation[] {
  const found: Violation[] = [];
  const passed = new Map(rows.attempts.filter(({ outcome }) => outcome === "passed").map((one) => [one.taskId, one.n]));
  for (const { id, title, writes, expected } of accepted) {
    if (!writes) continue;
    const written = lines.get(title) ?? [];
    for (const [line, many] of counted(written)) {
      if (many > 1) found.push({ rule: "applied twice", detail: `${title}: attempt ${line} ran ${many} times` });
    }
    const n = passed.get(id);
    if (expected === "done" && n !== undefined && !written.includes(`${id} ${n}`)) {
      found.push({ rule: "applied twice", detail: `${title}: attempt ${n} passed and never ran` });
    }
  }
  return found;
}

/** Replays each task's events: they must lead, step by step, to the state of its row. */
function histories(rows: StoredRows): readonly Violation[] {
  const found: Violation[] = [];
  const eventsOf = Map.groupBy(rows.events, ({ taskId }) => taskId);
  if (rows.events.some(({ seq }, index) => seq !== index + 1)) {
    found.push({ rule: "history", detail: "the numbers of the events have a gap" });
  }
  for (const task of rows.tasks) {
    const fault = faultOfHistory(
      (eventsOf.get(task.id) ?? []).map(({ kind }) => kind),
      task,
    );
    if (fault !== undefined) found.push({ rule: "history", detail: `${task.title}: ${fault}` });
  }
  const seqOf = new Map(rows.events.map(({ kind, taskId, seq }) => [`${kind} ${taskId}`, seq]));
  for (const { taskId, dependsOn } of rows.dependencies) {
    const first = rows.events.find((event) => event.taskId === taskId && event.kind === "task.started")?.seq;
    const done = seqOf.get(`task.done ${dependsOn}`);
    if (first !== undefined && (done === undefined || first < done)) {
      found.push({ rule: "order", detail: `${taskId} started before ${dependsOn} was done` });
    }
  }
  return found;
}

function faultOfHistory(kinds: readonly string[], task: StoredRows["tasks"][number]): string | undefined {
  let runsNow = false;
  let counts = 0;
  let end: string | undefined;
  if (kinds[0] !== "task.submitted" || kinds.lastIndexOf("task.submitted") > 0) return "it was not submitted once";
  for (const kind of kinds) {
    if (end !== undefined && kind !== "attempt.orphaned") return `${kind} after ${end}`;
    if (kind === "task.started") {
      if (runsNow) return "started while it ran";
      runsNow = true;
    } else if (kind === "task.retry" || kind === "task.done") {
      if (!runsNow) return `${kind} while it did not run`;
      runsNow = false;
      counts += 1;
    } else if (kind === "task.released") {
      runsNow = false;
    } else if (kind === "task.dead" || kind === "task.cancelled") {
      counts += runsNow ? 1 : 0;
      runsNow = false;
    }
    if (["task.done", "task.dead", "task.cancelled"].includes(kind)) end = kind;
  }
  if (end !== undefined ? end !== `task.${task.state}` : ["done", "dead", "cancelled"].includes(task.state)) {
    return `its events end with ${end ?? "nothing"}, but it is ${task.state}`;
  }
  return counts === task.attempts ? undefined : `its events tell of ${counts} attempts, its row of ${task.attempts}`;
}

function counters(rows: StoredRows): readonly Violation[] {
  const actual = counted(rows.tasks.map(({ state }) => state));
  return Object.entries(rows.counters)
    .filter(([state, many]) => many !== (actual.get(state) ?? 0))
    .map(([state, many]) => ({
      rule: "counters",
      detail: `${many} counted as ${state}, ${actual.get(state) ?? 0} are`,
    }));
}

function counted(words: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
