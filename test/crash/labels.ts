import { CRASH_LABELS } from "#execution";
import type { CrashPoint } from "#store";

/** The type makes the compiler name a label of the writer that is missing here. */
const STORE_LABELS: Readonly<Record<CrashPoint, true>> = {
  "store.begin.before": true,
  "store.begin.after": true,
  "store.replicate.before": true,
  "store.replicate.after": true,
  "store.commit.before": true,
  "store.commit.after": true,
  "store.answer.before": true,
};

/** Only a model's work passes it: test/conformance/executor/model-resume.test.ts kills there. */
const OF_MODELS = "worker:after-tool";

/** Only the hub of a fleet passes them: test/unit/store/primary kills there. */
const OF_HUBS = "store.replicate.";

/** Every effect of a task with a command at which the executable can be made to kill itself. */
export const ALL_LABELS: readonly string[] = [...Object.keys(STORE_LABELS), ...CRASH_LABELS].filter(
  (label) => label !== OF_MODELS && !label.startsWith(OF_HUBS),
);

/** Whether it is a worker that dies there; at all others it is the node. */
export function isWorkerLabel(label: string): boolean {
  return label.startsWith("worker:");
}

/** How often a node passes a label within about a second of work: the crash comes at one of these passages. */
export function passagesOf(label: string): number {
  if (isWorkerLabel(label)) return 1; // Each worker counts for itself and passes once.
  return label.startsWith("store.") ? 40 : 5;
}
