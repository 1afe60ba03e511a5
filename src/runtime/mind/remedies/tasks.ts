/** What is done about tasks, their keys, and repositories that fail. */
import { type Care, did, fixTaskOf, type Remedies, type RepositoryHealth, type Treatment } from "#activities";
import type { SubmissionDefaults } from "#api";
import { type SubmissionFacts, submissionsToTasks } from "#api";
import { type Clock, err, ok, type Result, refused } from "#base";
import { MAX_REQUEUES } from "#fsm";
import { type AttemptReport, lostReport, type Queue, type QueueService, UNLIMITED } from "#queue";
import type { Alerts, Raise } from "#telemetry";
import { type TasksHeldParts, tasksHeld } from "../tasks-held.ts";

/** A task to mend the same thing is not given twice in this time: the cool-down of its remediation. */
const SAME_FIX_MS = 3_600_000;

export type TaskRemedyParts = {
  readonly queue: Queue;
  /** Where this node writes the queue. */
  readonly service: Pick<QueueService, "finish"> | undefined;
  readonly held: TasksHeldParts | undefined;
  readonly submissionFacts: SubmissionFacts & { readonly defaults: SubmissionDefaults };
  readonly repositories: RepositoryHealth;
  readonly alerts: Alerts;
  readonly clock: Clock;
  readonly handOver: (care: Pick<Care, "kind" | "target">, remediation: "pauseKey") => Result<void>;
};

type TaskRemedies = Pick<
  Remedies,
  "pauseKey" | "requeueTasks" | "deadLetterTasks" | "openFixTask" | "reportConflicts" | "askPerson"
>;

export function taskRemedies(parts: TaskRemedyParts): TaskRemedies {
  return {
    pauseKey: ({ target }) => pauseKey(parts, target),
    requeueTasks: ({ target }) => {
      const report = lostReport("its node is offline; the mind gave it back");
      return endHeld(parts, target, (requeues) => requeues < MAX_REQUEUES, report, "given back");
    },
    deadLetterTasks: ({ target }) => {
      const report = lostReport(`it was lost ${MAX_REQUEUES} times, each time with its node`);
      const isSpent = (requeues: number): boolean => requeues >= MAX_REQUEUES;
      return endHeld(parts, target, isSpent, { ...report, consequence: "terminal" }, "dead letters now");
    },
    openFixTask: ({ target }) => openFixTask(parts, target),
    reportConflicts: async ({ target }) => {
      const conflict = await parts.repositories.conflict(target);
      if (!conflict.ok) return conflict;
      const { repository, files } = conflict.value;
      const message = `${target} of ${repository} does not merge. In conflict: ${files.join(", ")}`;
      const key = `conflict:${repository}:${target}`;
      parts.alerts.raise({ key, severity: "warning", title: "A branch does not merge", message, source: "mind" });
      return did(message);
    },
    askPerson: async (treatment) => {
      parts.alerts.raise(questionOf(treatment));
      return did("a person is asked");
    },
  };
}

function questionOf({ fault, target }: Treatment): Raise {
  const said = {
    clockSkew: ["The clock of a node is wrong", `The clock of ${target} is off. Set it, and let it be kept by NTP`],
    crashLoop: ["Attempts are lost again and again", `Attempts of key ${target} are lost. Look at: drover dead list`],
    queueGrowing: ["The queue grows", `Tasks of key ${target} come faster than they end. Look at who adds them`],
  } as const;
  const [title, message] =
    fault === "clockSkew" || fault === "crashLoop" || fault === "queueGrowing"
      ? said[fault]
      : (["Something needs a person", `${fault} of ${target} is left, and nothing that drover may do helps`] as const);
  return { key: `ask:${fault}:${target}`, severity: "warning", title, message, source: "mind" };
}

async function pauseKey({ queue, handOver }: TaskRemedyParts, key: string): Promise<Result<string>> {
  const found = await queue.store.transact("look at the limits of a key", (tx) => ok(tx.key(key)?.policy ?? UNLIMITED));
  if (!found.ok) return found;
  if (found.value.paused) return err(refused("conflict", `key ${key} is paused already`));
  // Kept first: a key that stays paused because of a crash in between would wait for ever.
  const kept = handOver({ kind: "pausedKey", target: key }, "pauseKey");
  if (!kept.ok) return kept;
  const paused = await queue.setKeyPolicy(key, { ...found.value, paused: true });
  return paused.ok ? did(`key ${key} is paused for a while; what runs goes on`) : paused;
}

async function endHeld(
  { service, held }: TaskRemedyParts,
  node: string,
  isMeant: (requeues: number) => boolean,
  report: AttemptReport,
  what: string,
): Promise<Result<string>> {
  if (service === undefined || held === undefined) {
    return err(refused("unsupported", "only the node that writes the queue gives tasks back"));
  }
  // Looked at anew: an attempt that was heard of meanwhile is well and stays (FSM7).
  const tasks = await tasksHeld(held);
  if (!tasks.ok) return tasks;
  let ended = 0;
  for (const task of tasks.value) {
    if (task.node !== node || task.isAttemptHealthy || !isMeant(task.requeues)) continue;
    const receipt = await service.finish(task.row.id, task.fence, report);
    if (!receipt.ok) return receipt;
    if (receipt.value.kind === "applied") ended += 1;
  }
  return did(`${ended} tasks of ${node} are ${what}`);
}

async function openFixTask(parts: TaskRemedyParts, repository: string): Promise<Result<string>> {
  const broken = await parts.repositories.broken(repository);
  if (!broken.ok) return broken;
  const { title, prompt, repo, verify } = fixTaskOf(repository, broken.value);
  const slot = Math.floor(parts.clock.nowMs() / SAME_FIX_MS);
  const submission = {
    title,
    prompt,
    repo,
    verify: [{ kind: "command_succeeds", command: verify.command }],
    lane: "high",
    labels: { "drover.mind": "fix", "drover.repository": repository.slice(0, 128) },
    idempotencyKey: `mind-fix:${repository.slice(0, 150)}:${slot}`,
  };
  const tasks = submissionsToTasks([submission], parts.submissionFacts);
  if (!tasks.ok) return tasks;
  const receipts = await parts.queue.submit(tasks.value);
  return receipts.ok ? did(`task ${receipts.value[0]?.id ?? ""} is to mend it: ${title}`) : receipts;
}
