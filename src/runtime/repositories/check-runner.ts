/** Runs the commands by which a repository is checked, on a checkout of one commit, confined as a task's commands are. */
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Clock, ok, type Random, type Result } from "#base";
import {
  type CommandRun,
  confinedCommands,
  type RunConfined,
  removeConfined,
  type SandboxLauncher,
  type SandboxPlan,
  StopSwitch,
} from "#execution";
import {
  CHECK_NAMES,
  type CheckName,
  type CheckReport,
  type CheckRunner,
  checkOut,
  type Repository,
  removeCheckout,
} from "#repos";

/** A test suite of a large project. */
const WALL_MS = 30 * 60_000;
const OUTPUT_BYTES = 16 * 1024 * 1024;
/** What a person or a model reads of a failure: its end, where most tools say what was wrong. */
const MAX_DETAIL_CHARS = 3_000;
const MARKER_BYTES = 16;

type Parts = {
  readonly stateDir: string;
  readonly sandbox: SandboxPlan;
  readonly launcher: SandboxLauncher;
  readonly clock: Clock;
  readonly random: Random;
};

export function confinedChecks(parts: Parts): CheckRunner {
  return { run: (repository, gitDir, commit) => runAll(parts, repository, gitDir, commit) };
}

/** Longer than any run of checks; what is older was left by a node that was killed. */
const LEFT_AFTER_MS = 24 * 3_600_000;

/** Removes the checkouts of a node that was killed. Not those of one that is being replaced, which may still be used. */
export function removeLeftChecks(stateDir: string, nowMs: number): void {
  const root = join(stateDir, "repositories", "checks");
  if (!existsSync(root)) return;
  for (const name of readdirSync(root)) {
    const stat = statSync(join(root, name), { throwIfNoEntry: false });
    if (stat !== undefined && nowMs - stat.mtimeMs > LEFT_AFTER_MS) removeConfined(join(root, name));
  }
}

async function runAll(
  { stateDir, sandbox, launcher, clock, random }: Parts,
  repository: Repository,
  gitDir: string,
  commit: string,
): Promise<Result<CheckReport>> {
  const marker = Buffer.from(random.bytes(MARKER_BYTES)).toString("hex");
  const folder = join(stateDir, "repositories", "checks", marker);
  const workspace = join(folder, "files");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const checkedOut = await checkOut(gitDir, commit, workspace);
    if (!checkedOut.ok) return checkedOut;
    const run = confinedCommands({
      sandbox,
      stateDir,
      workspace,
      privateFolder: join(folder, "private"),
      readOnly: [],
      listed: [],
      launcher,
      marker,
      stop: new StopSwitch(),
      clock,
    });
    if (!run.ok) return run;
    return await runEach(repository, workspace, run.value);
  } finally {
    removeConfined(folder);
    await removeCheckout(gitDir, workspace);
  }
}

/** The build first, since tests of what does not build say little; after the first that fails the rest is not run. */
async function runEach({ checks }: Repository, cwd: string, run: RunConfined): Promise<Result<CheckReport>> {
  const ran: CheckName[] = [];
  for (const name of CHECK_NAMES) {
    const command = checks[name];
    if (command === undefined) continue;
    const done = await run({ command, cwd, env: { CI: "1" }, wallMs: WALL_MS, outputBytes: OUTPUT_BYTES });
    if (done.end.kind === "failed") return { ok: false, error: done.end.failure };
    ran.push(name);
    if (done.end.kind === "exited" && done.end.exitCode === 0) continue;
    return ok({ ran, failing: [{ name, detail: detailOf(command, done) }] });
  }
  return ok({ ran, failing: [] });
}

function detailOf(command: readonly string[], { output, exitCode, signal }: CommandRun): string {
  const said = output.tail === "" ? output.head : output.tail;
  const how = signal === null ? `exit code ${exitCode ?? "unknown"}` : signal;
  return `${command.join(" ")}: ${how}\n${said}`.slice(-MAX_DETAIL_CHARS);
}
