import { err, ok, type Result, refused } from "#base";
import { childEnvironment } from "./child-environment.ts";
import type { ProcessEntry } from "./io/process-table.ts";
import type { SupervisionPolicy } from "./policy.ts";

export type ProcessSpec = {
  readonly name: string;
  readonly command: readonly string[];
  /** The whole environment; nothing is inherited beside it. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Descriptors that become 3, 4, … of the child; they stay open here. */
  readonly descriptors: readonly number[];
  readonly policy: SupervisionPolicy;
  /** Asks whether it does its work; null for one that is not asked. */
  readonly probe: (() => Promise<Result<void>>) | null;
  /** Whether it says by itself that it is ready and goes on living (`ready` and `heartbeat` of its supervisor). */
  readonly usesHeartbeat: boolean;
  /** Descendants that outlive it, with everything below them: the workers of a node. */
  readonly spares?: (entry: ProcessEntry) => boolean;
};

/** How a process is asked whether it does its work; without one it is not asked. A command says so by exit code 0. */
export type ProbeConfig =
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "command"; readonly command: readonly string[] };

/** One entry of `processes` in the configuration; what is left out has its default. */
export type ProcessConfig = {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly probe?: ProbeConfig;
  readonly probeEveryMs?: number;
  readonly startLimitMs?: number;
  readonly memoryLimitBytes?: number;
  /** Restarts within ten minutes. */
  readonly restarts?: number;
};

/** Of any supervised process unless it says otherwise; the first restart of a process comes within a tenth of a second. */
export const DEFAULT_POLICY: SupervisionPolicy = {
  startLimitMs: 30_000,
  heartbeatLimitMs: null,
  probeEveryMs: 5_000,
  probeFailures: 3,
  termGraceMs: 10_000,
  killLimitMs: 15_000,
  // The cap is Kubernetes' for a container that keeps crashing; healthy is a minute, so that a fault per hour stays cheap.
  backoff: { firstMs: 100, maxMs: 300_000, healthyAfterMs: 60_000 },
  budget: { restarts: 10, withinMs: 600_000 },
  memoryLimitBytes: null,
};

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

/** Carries a probe out, in the environment of the process. */
type Prober = (probe: ProbeConfig, env: Readonly<Record<string, string>>) => Promise<Result<void>>;

/** @param inherited the environment of this process; see {@link childEnvironment} for what of it passes. */
export function specOfProcess(
  config: ProcessConfig,
  inherited: Readonly<Record<string, string | undefined>>,
  runProbe: Prober,
): Result<ProcessSpec> {
  const { name, command, probe } = config;
  const env = childEnvironment(inherited, config.env ?? {});
  // The name becomes that of a log file and part of an environment variable.
  if (!NAME.test(name)) {
    return err(refused("invalid", `process ${JSON.stringify(name)}: not a name`, "Use a-z, 0-9 and -, at most 64"));
  }
  if ((command[0] ?? "") === "") {
    return err(
      refused("invalid", `process ${name}: it has no command`, "Give the program and its arguments as a list"),
    );
  }
  return ok({
    name,
    command,
    env,
    ...(config.cwd === undefined ? {} : { cwd: config.cwd }),
    descriptors: [],
    policy: {
      ...DEFAULT_POLICY,
      probeEveryMs: config.probeEveryMs ?? DEFAULT_POLICY.probeEveryMs,
      startLimitMs: config.startLimitMs ?? DEFAULT_POLICY.startLimitMs,
      memoryLimitBytes: config.memoryLimitBytes ?? null,
      budget: { ...DEFAULT_POLICY.budget, restarts: config.restarts ?? DEFAULT_POLICY.budget.restarts },
    },
    probe: probe === undefined ? null : () => runProbe(probe, env),
    usesHeartbeat: false,
  });
}
