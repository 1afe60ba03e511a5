import { ok, type Result } from "#base";
import { type ProcessConfig, type ProcessSpec, runProbe, specOfProcess } from "#watchdog";
import type { Config } from "./config/settings.ts";

/** @returns what the configuration wants to be kept alive beside the node. */
export function otherProcesses(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): Result<readonly ProcessSpec[]> {
  const specs: ProcessSpec[] = [];
  for (const one of config.processes) {
    const spec = specOfProcess(inOurWords(one), env, runProbe);
    if (!spec.ok) return spec;
    specs.push(spec.value);
  }
  return ok(specs);
}

function inOurWords(one: Config["processes"][number]): ProcessConfig {
  return {
    name: one.name,
    command: one.command,
    env: one.env,
    ...(one.cwd === undefined ? {} : { cwd: one.cwd }),
    ...(one.probe === undefined ? {} : { probe: one.probe }),
    ...(one.probe_every_ms === undefined ? {} : { probeEveryMs: one.probe_every_ms }),
    ...(one.start_limit_ms === undefined ? {} : { startLimitMs: one.start_limit_ms }),
    ...(one.memory_limit_bytes === undefined ? {} : { memoryLimitBytes: one.memory_limit_bytes }),
    ...(one.restarts === undefined ? {} : { restarts: one.restarts }),
  };
}
