/** runtime: the composition root. Only main imports it. */
import type { EnvironmentParts } from "#cli";
import { realClock } from "./real-clock.ts";
import { commit, target, version } from "./version.ts";

/** What the command line needs of this process; the heavy parts load when they are asked for. */
export const localCommands: EnvironmentParts = {
  version,
  commit,
  target,
  clock: realClock,
  configuredStateDir: async (file) => (await import("./commands/settings.ts")).configuredStateDir(file),
  local: {
    up: async (options, console) => (await import("./commands/up.ts")).up(options, console),
    node: async (options, console) => (await import("./commands/node.ts")).node(options, console),
    run: async (options, console) => (await import("./commands/run.ts")).run(options, console),
    restore: async (options, console) => (await import("./commands/restore.ts")).restore(options, console),
    configShow: async (options, console) => (await import("./commands/config.ts")).configShow(options, console),
    configCheck: async (options, console) => (await import("./commands/config.ts")).configCheck(options, console),
    worker: async (options) => (await import("./commands/worker.ts")).worker(options),
    inventory: async () => (await import("./commands/inventory.ts")).inventory(),
    diagnose: async (options) => (await import("./commands/diagnose.ts")).diagnose(options),
    auditVerify: async (options) => (await import("./commands/audit-verify.ts")).auditVerify(options),
    stateMark: async (options, console) => (await import("./commands/state-mark.ts")).stateMark(options, console),
    releaseKey: async (options, console) => (await import("./commands/release-key.ts")).releaseKey(options, console),
    repoScan: async (options, console) => (await import("./commands/repo-scan.ts")).repoScan(options, console),
    improvementScan: async (options, console) =>
      (await import("./commands/improvement-scan.ts")).improvementScan(options, console),
    selftest: async (options, console) => (await import("./commands/selftest.ts")).selftest(options, console),
  },
};
