/** One deliberate defect: `find` stands exactly once in the file and is replaced. */
export type Mutation = {
  readonly name: string;
  /** Below src/queue. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};

const FINISH = "commands/finish.ts";
const CLAIM = "commands/claim.ts";
const SUBMIT = "commands/submit.ts";
const CONTROL = "commands/control.ts";
const TICK = "commands/tick.ts";
const TRANSITION = "transition.ts";

/** Each takes one guard away, or turns one comparison, and must make a property break. A survivor is a hole in them. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: "Q3: any fence may report",
    file: FINISH,
    find: `return row.state === "running" && sameFence(fenceOf(row), fence);`,
    replace: `return row.state === "running" && fence.epoch >= 0;`,
  },
  {
    name: "Q3: fences are compared without their number",
    file: "task.ts",
    find: "return a.epoch === b.epoch && a.n === b.n;",
    replace: "return a.epoch === b.epoch;",
  },
  {
    name: "Q14: a repeated report is applied again",
    file: FINISH,
    find: "if (!holds(row, fence)) {",
    replace: "if (!sameFence(fenceOf(row), fence)) {",
  },
  {
    name: "Q3: a released attempt keeps its fence",
    file: FINISH,
    find: "const given: TaskRow = { ...row, fenceEpoch: 0, fenceN: 0 };",
    replace: "const given: TaskRow = row;",
  },
  {
    name: "a cancel wins over a pass",
    file: FINISH,
    find: `if (report.outcome === "passed") return`,
    replace: `if (report.outcome === "passed" && !row.cancelRequested) return`,
  },
  {
    name: "a cancelled task is retried",
    file: FINISH,
    find: `  if (row.cancelRequested) {
    return { kind: "end", state: "cancelled",`,
    replace: `  if (row.cancelRequested && row.attempts > 1_000) {
    return { kind: "end", state: "cancelled",`,
  },
  {
    name: "Q4: one attempt too many",
    file: FINISH,
    find: "if (row.attempts >= row.attemptLimit) {",
    replace: "if (row.attempts > row.attemptLimit) {",
  },
  {
    name: "Q4: losses are forgiven without end",
    file: TRANSITION,
    find: "losses >= MAX_FORGIVEN_LOSSES",
    replace: "losses > 1_000",
  },
  {
    name: "Q4: a task that may be attempted once is attempted again",
    file: TRANSITION,
    find: "row.maxAttempts === 1 || ",
    replace: "",
  },
  {
    name: "Q4: an ended attempt leaves no row",
    file: FINISH,
    find: "  tx.insertAttempt(attemptRow(row, report, context.nowMs));\n",
    replace: "",
  },
  {
    name: "the end of a task does not reach its dependents",
    file: FINISH,
    find: `      keyLeft(tx, context, row);
      settleDependents(tx, context, after);`,
    replace: "      keyLeft(tx, context, row);",
  },
  {
    name: "a cancel does not reach dependents",
    file: CONTROL,
    find: "      settleDependents(tx, context, after);\n",
    replace: "",
  },
  {
    name: "a redrive does not bring dependents back",
    file: CONTROL,
    find: "  reviveDependents(tx, context, after);\n",
    replace: "",
  },
  {
    name: "Q5: a dependency that died counts as satisfied",
    file: "dependents.ts",
    find: `if (current.state === "done" || dependent.dependencyPolicy === "ignore") {`,
    replace: `if (current.state === "done" || dependent.dependencyPolicy !== "fail") {`,
  },
  {
    name: "Q5: a new task does not look at its dependencies",
    file: SUBMIT,
    find: "if (open === 0 && row.wakeAtMs === null) row",
    replace: "if (row.wakeAtMs === null) row",
  },
  {
    name: "circles of dependencies are accepted",
    file: SUBMIT,
    find: "  if (cycle !== undefined) {",
    replace: "  if (cycle !== undefined && cycle.length > 1_000) {",
  },
  {
    name: "Q10: idempotency keys are not looked up",
    file: SUBMIT,
    find: "inBatch.get(task.idempotencyKey) ?? tx.idempotent(task.idempotencyKey);",
    replace: "inBatch.get(task.idempotencyKey);",
  },
  {
    name: "Q10: another body under a known key is taken for a repetition",
    file: SUBMIT,
    find: "} else if (earlier.bodyHash === task.bodyHash) {",
    replace: `} else if (earlier.bodyHash !== "") {`,
  },
  {
    name: "Q13: the pause is ignored",
    file: CLAIM,
    find: "  if (tx.paused()) return ok(nothing); // Q13\n",
    replace: "",
  },
  {
    name: "Q6: a tightened policy is not looked at when claiming",
    file: CLAIM,
    find: "if (!hasRoom(key)) {",
    replace: "if (key.running < 0) {",
  },
  {
    name: "Q6: a claim does not give its admission back",
    file: CLAIM,
    find: "tx.putKey({ ...key, admitted: Math.max(0, key.admitted - 1), running: key.running + 1 });",
    replace: "tx.putKey({ ...key, running: key.running + 1 });",
  },
  {
    name: "a rate's next task is not let through when one starts",
    file: CLAIM,
    find: "      admitNext(tx, context, key.key); //",
    replace: "      //",
  },
  {
    name: "Q12: virtual time stands still",
    file: CLAIM,
    find: "virtualTime: Math.max(laneRow.virtualTime, row.tag)",
    replace: "virtualTime: laneRow.virtualTime",
  },
  {
    name: "Q9: a start leaves no event",
    file: CLAIM,
    find: `    record(tx, context, "task.started",`,
    replace: `    if (row.attempts > 1_000) record(tx, context, "task.started",`,
  },
  {
    name: "Q6: an ended task keeps its place in its key",
    file: "ledger.ts",
    find: "running: Math.max(0, key.running - 1) });",
    replace: "running: key.running });",
  },
  {
    name: "a place in a key that becomes free is given to nobody",
    file: "ledger.ts",
    find: "  else return;\n  admitNext(tx, context, row.key);",
    replace: "  else return;",
  },
  {
    name: "Q8: lane counters stand still",
    file: "ledger.ts",
    find: "tx.putLane(counted(counted(lane, before.state, -1), after.state, 1));",
    replace: "tx.putLane(counted(lane, before.state, -1));",
  },
  {
    name: "Q11: no turn for overdue lanes",
    file: "fairness.ts",
    find: "if (turn % AGED_TURN_EVERY !== 0) return first;",
    replace: "if (turn % AGED_TURN_EVERY !== -1) return first;",
  },
  {
    name: "Q12: a key's tag does not advance",
    file: "fairness.ts",
    find: "(index === lane.lane ? tag : old)",
    replace: "(index === lane.lane ? old : old)",
  },
  {
    name: "Q12: weights are ignored",
    file: "fairness.ts",
    find: "1 / key.policy.weight;",
    replace: "1;",
  },
  {
    name: "a rate's tokens are not used up",
    file: "fairness.ts",
    find: "rateTokens: filled.rateTokens - 1,",
    replace: "rateTokens: filled.rateTokens,",
  },
  {
    name: "a wake instant of a key outlives its reason",
    file: "fairness.ts",
    find: "if (policy.paused || isFull) return { admitted: false, key: { ...key, wakeAtMs: null } };",
    replace: "if (policy.paused || isFull) return { admitted: false, key };",
  },
  {
    name: "Q3: a lease is renewed under any fence",
    file: "leases.ts",
    find: "if (lease === undefined || !sameFence(lease.fence, fence)) return false;",
    replace: "if (lease === undefined) return false;",
  },
  {
    name: "leases run out early",
    file: "leases.ts",
    find: "lease.expiresAtMs <= monotonicMs)",
    replace: "lease.expiresAtMs - 1_500 <= monotonicMs)",
  },
  {
    name: "leases never run out",
    file: "leases.ts",
    find: "lease.expiresAtMs <= monotonicMs)",
    replace: "lease.expiresAtMs <= -monotonicMs)",
  },
  {
    name: "time in which the process stood still counts as silence",
    file: "leases.ts",
    find: "if (silentMs > this.#termMs / 2) {",
    replace: "if (silentMs < 0) {",
  },
  {
    name: "a restart forgets who runs what",
    file: "service.ts",
    find: "if (row.holder !== null) this.#grant(",
    replace: "if (row.holder === null) this.#grant(",
  },
  {
    name: "Q7: a redrive gives no fresh budget",
    file: "transition.ts",
    find: "attemptLimit: row.attempts + row.maxAttempts",
    replace: "attemptLimit: row.maxAttempts",
  },
  {
    name: "Q8: a task that others need is dropped",
    file: CONTROL,
    find: "if (dependents.length > 0) {",
    replace: "if (dependents.length > 1_000) {",
  },
  {
    name: "Q8: a task that others need is pruned",
    file: "memory-store.ts",
    find: "        !needed.has(row.id) &&\n",
    replace: "",
  },
  {
    name: "a cancelled task keeps its place in its key",
    file: CONTROL,
    find: "      keyLeft(tx, context, row);\n",
    replace: "",
  },
  {
    name: "retries are not brought back after the wall clock was set back",
    file: TICK,
    find: "    clampRetries(tx, context);\n",
    replace: "",
  },
  {
    name: "keys are not asked anew after the wall clock was set back",
    file: TICK,
    find: "const keys = request.clockJumped",
    replace: "const keys = request.scheduleIds.length < 0",
  },
  {
    name: "waiting tasks wake before their time",
    file: TICK,
    find: "of tx.due(context.nowMs, TICK_BATCH)",
    replace: "of tx.due(context.nowMs + 2_000, TICK_BATCH)",
  },
  {
    name: "schedules overlap although they must not",
    file: TICK,
    find: "return last === undefined || hasEnded(last) ? undefined",
    replace: "return last === undefined || last.id !== undefined ? undefined",
  },
  {
    name: "backoff has no cap",
    file: "backoff.ts",
    find: "Math.min(maxMs, baseMs * 2 ** exponent)",
    replace: "Math.max(maxMs, baseMs * 2 ** exponent)",
  },
  {
    name: "Q2: claims share one fence",
    file: "memory-transaction.ts",
    find: "    this.#tables.fence += 1;\n",
    replace: "    this.#tables.fence = 1;\n",
  },
];
