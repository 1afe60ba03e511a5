/** What answers look like, for the description of the API; a test holds them against the schemas. */
import type { Explanation } from "./explain.ts";
import type { EventView, KeyView, QueueView, ScheduleView } from "./queue-view.ts";
import type { SubmissionInput } from "./submission-schema.ts";
import type { TaskView } from "./task-view.ts";

const TASK = "t_06d3w4r8k0e7v9w2m5x1y3z6ab";
const OTHER = "t_06d3w4r7j0e7v9w2m5x1y3z6ab";
const NODE = "n_06d3w4q000e7v9w2m5x1y3z6ab";
const AT_MS = 1_763_700_000_000;

export const exampleSubmission: SubmissionInput = {
  title: "Run the tests",
  executor: "shell",
  command: ["npm", "test"],
  workspace: "/srv/project",
  verify: [{ kind: "git_clean" }],
  labels: { team: "core" },
};

export const exampleTask: TaskView = {
  id: TASK,
  title: "Run the tests",
  executor: "shell",
  command: ["npm", "test"],
  workspace: "/srv/project",
  verify: [{ kind: "git_clean" }],
  state: "done",
  lane: "normal",
  key: null,
  labels: { team: "core" },
  dependsOn: [OTHER],
  onDependencyFailure: "fail",
  maxAttempts: 3,
  createdAtMs: AT_MS,
  readyAtMs: AT_MS + 5,
  startedAtMs: null,
  endedAtMs: AT_MS + 4_020,
  node: null,
  attemptCount: 1,
  attemptLimit: 3,
  cancelRequested: false,
  progress: { ratio: 1, message: "41 of 41" },
  reason: null,
  waitingFor: null,
  attempts: [
    {
      n: 1,
      node: NODE,
      executor: "shell",
      endpoint: null,
      model: null,
      outcome: "passed",
      startedAtMs: AT_MS + 10,
      endedAtMs: AT_MS + 4_020,
      durationMs: 4_010,
      waitMs: 5,
      tokens: 0,
      costMicrodollars: 0,
      error: null,
      report: { passed: true, checks: [] },
    },
  ],
  result: { exitCode: 0 },
  decision: null,
};

export const exampleWaitingTask: TaskView = {
  ...exampleTask,
  state: "ready",
  endedAtMs: null,
  attemptCount: 0,
  progress: null,
  waitingFor: { code: "turn", text: "waits for its turn", untilMs: null },
  attempts: [],
  result: null,
  decision: null,
};

export const exampleExplanation: Explanation = {
  id: TASK,
  state: "ready",
  summary: "3 tasks are ahead of it in lane normal",
  causes: [{ code: "turn", text: "3 tasks are ahead of it in lane normal", untilMs: null, remedy: null }],
  dependencies: [{ id: OTHER, state: "done", satisfied: true }],
  place: { lane: "normal", ahead: 3, isExact: true },
  key: null,
  nodes: [{ node: NODE, name: "box", lacks: [], leaves: null }],
  routing: [],
};

export const exampleEvent: EventView = {
  seq: 41,
  atMs: AT_MS,
  kind: "task.done",
  taskId: TASK,
  data: { attempt: 1, outcome: "passed" },
};

export const exampleKey: KeyView = {
  key: "deploy",
  running: 1,
  admitted: 0,
  policy: { maxConcurrent: 1, ratePerSecond: null, burst: 1, weight: 1, paused: false },
};

const counts = { waiting: 1, ready: 2, running: 1, done: 40, dead: 0, cancelled: 0 };

export const exampleQueue: QueueView = {
  paused: false,
  lanes: [{ lane: "normal", counts, headReadyAgeMs: 12 }],
  totals: counts,
  oldestReadyAgeMs: 12,
  keys: [exampleKey],
  nowMs: AT_MS,
};

export const exampleSchedule: ScheduleView = {
  id: "s_06d3w4r8k0e7v9w2m5x1y3z6ab",
  name: "nightly",
  cron: "0 3 * * *",
  timezone: "Europe/Berlin",
  overlap: "skip",
  paused: false,
  nextAtMs: AT_MS,
  lastAtMs: null,
  lastTaskId: null,
  createdAtMs: AT_MS,
  task: { title: "Run the tests" },
};

const distribution = { count: 40, mean: 900, p50: 800, p95: 2_000, p99: 4_010, max: 4_010 };
const outcomes = { passed: 39, failed: 1 };

const slow = {
  taskId: TASK,
  n: 1,
  title: "Run the tests",
  node: NODE,
  executor: "shell",
  model: null,
  outcome: "passed",
  endedAtMs: AT_MS,
  durationMs: 4_010,
  waitMs: 5,
  tokens: 0,
  costMicrodollars: 0,
};

export const exampleBottlenecks = {
  windowMs: 86_400_000,
  isWhole: true,
  attempts: 40,
  durationMs: distribution,
  waitMs: distribution,
  outcomes,
  groups: [{ node: NODE, executor: "shell", attempts: 40, durationMs: distribution, waitMs: distribution, outcomes }],
  by: {
    executor: [{ name: "shell", attempts: 40, durationMs: distribution, waitMs: distribution, outcomes }],
    model: [],
    node: [],
    lane: [],
  },
  slowest: [slow],
  longestWaits: [slow],
};

export const exampleNode = {
  id: NODE,
  name: "box",
  version: "1.2.3",
  commit: "0123abc",
  pid: 4_711,
  startedAtMs: AT_MS,
  uptimeMs: 60_000,
  stateDir: "/var/lib/drover",
  executors: ["shell"],
  ready: true,
  checks: [{ name: "store", ok: true, detail: "the database answers" }],
  fleet: {
    role: "solo" as const,
    fleet: null,
    epoch: 1,
    hub: null,
    isRestartDue: false,
    featureLevel: 2,
    pendingSettings: [],
    following: null,
    quarantine: { folders: 0, waiting: 0, refused: 0 },
    durability: { mode: "local" as const, replicas: null, live: null, seq: null, note: null },
    failover: null,
  },
  running: [{ taskId: TASK, attempt: 1, executor: "shell", startedAtMs: AT_MS, pid: 4_712 }],
  storage: { fleetDbBytes: 81_920, nodeDbBytes: 20_480, freeDiskBytes: 10_000_000_000 },
  memory: { rssBytes: 70_000_000, heapUsedBytes: 12_000_000 },
};

export const exampleOffer = {
  id: NODE,
  name: "box",
  isSelf: true,
  executors: ["shell"],
  labels: {},
  models: [],
  vramBytes: 0,
  role: "member" as const,
  state: "active" as const,
  version: "1.2.3",
  featureLevels: { oldest: 1, newest: 2 },
  url: null,
  epoch: 1,
  copy: { state: "attached" as const, staleMs: 120, epoch: 1, seq: 4_711 },
  isVoter: false,
  seenAtMs: AT_MS,
  isFresh: true,
  running: 1,
  pendingSettings: [],
  backOff: null,
  capacity: null,
};

export const exampleNodeFigures = {
  windowMs: 3_600_000,
  isWhole: true,
  nodes: [
    {
      node: NODE,
      name: "box",
      running: 1,
      attempts: 40,
      perMinute: 0.67,
      passedRatio: 0.975,
      durationMs: distribution,
      waitMs: distribution,
      outcomes,
      tokens: 0,
      costMicrodollars: 0,
    },
  ],
  rates: [{ windowMs: 60_000, perSecond: 0.5 }],
};
