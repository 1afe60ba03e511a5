import { type Failure, type FailureCode, ok, type Result, terminal } from "#base";
import { type Console, EXIT, type GlobalOptions } from "#cli";
import { REFUSED_EXIT } from "#watchdog";
import { crashPoint } from "../crash-point.ts";
import type { startNode } from "../node.ts";
import { stateDirOf } from "../program.ts";
import { takeSupervision } from "../supervision.ts";
import { processLogger, settingsOf } from "./settings.ts";

/**
 * A node in the foreground until a signal: started by the watchdog with the socket it listens on, or by hand, without a
 * watchdog, for whoever supervises it otherwise.
 */
export async function node(options: GlobalOptions, console: Console): Promise<number> {
  const supervision = takeSupervision(process.env);
  const loaded = settingsOf(options);
  if (!loaded.ok) {
    const code = console.fail(loaded.error);
    return supervision === null ? code : REFUSED_EXIT;
  }
  const stateDir = stateDirOf(options.state, loaded.value.config);
  if (!stateDir.ok) return failedStart(stateDir.error, supervision !== null, console);
  const logger = processLogger(loaded.value.config);
  const program = await loadNode();
  if (!program.ok) return console.fail(program.error);
  const started = await program.value.startNode({
    loaded: loaded.value,
    stateDir: stateDir.value,
    logger,
    crashPoint: crashPoint(process.env),
    supervision,
  });
  if (!started.ok) return failedStart(started.error, supervision !== null, console);
  const { url, stop, stopped } = started.value;
  // The first signal ends running attempts and gives their tasks back; a second one leaves them to the next node.
  let signals = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      signals += 1;
      if (signals > 1) process.exit(1);
      void stop("now");
    });
  }
  if (console.json) console.jsonLine({ url, stateDir: stateDir.value, pid: process.pid });
  else console.line(`drover is ready at ${url}`);
  await stopped;
  return 0;
}

/** What a person has to change first: neither the watchdog nor a service manager is to try again before that. */
const IN_VAIN: ReadonlySet<FailureCode> = new Set(["invalid", "unsupported", "not_found", "conflict"]);

function failedStart(failure: Failure, isWatched: boolean, console: Console): number {
  const code = console.fail(failure);
  if (!IN_VAIN.has(failure.code)) return code;
  return isWatched ? REFUSED_EXIT : EXIT.usage;
}

type NodeModule = { readonly startNode: typeof startNode };

/** The databases' native part is unpacked and loaded at import, and that can fail before anything of ours runs. */
async function loadNode(): Promise<Result<NodeModule>> {
  try {
    return ok(await import("../node.ts"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const remedy =
      "Set BUN_TMPDIR to an empty folder of yours that allows execution (not mounted noexec), then try again";
    return { ok: false, error: terminal("unavailable", `load the database engine: ${reason}`, remedy) };
  }
}
