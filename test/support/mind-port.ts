import { type Activities, Healing, MemoryMindJournal, NOTHING_TO_DO, type Remedies } from "#activities";
import type { MindPort } from "#api";
import { type Clock, ok, silentLogger } from "#base";
import { DEFAULT_RULES, QUIET, REMEDIATION_NAMES } from "#fsm";
import { MindService } from "../../src/runtime/mind/mind-service.ts";

/** A mind that is told that all is well, in memory. It is not ticked by itself; its journal begins at once. */
export function quietMind(clock: Clock): MindPort {
  const journal = new MemoryMindJournal();
  const nobody = { raise: () => undefined, resolve: () => undefined, append: () => undefined };
  // `as`: every remediation has its entry.
  const remedies = Object.fromEntries(
    REMEDIATION_NAMES.map((name) => [name, () => Promise.resolve(ok("nothing was to be done"))]),
  ) as unknown as Remedies;
  const logger = silentLogger;
  const healing = new Healing({
    remedies,
    healthyAttempts: async () => 0,
    audit: nobody,
    told: () => undefined,
    clock,
    logger,
  });
  const activities: Activities = {
    executing: NOTHING_TO_DO,
    improving: NOTHING_TO_DO,
    contemplating: NOTHING_TO_DO,
    healing,
  };
  const service = new MindService({
    clock,
    logger,
    journal,
    rules: DEFAULT_RULES,
    facts: async () => QUIET,
    activities,
    healing,
    alerts: nobody,
    audit: nobody,
    told: () => undefined,
    crashPoint: () => undefined,
  });
  const started = service.start();
  if (!started.ok) throw new Error(started.error.message);
  return {
    standing: () => ({
      isEnabled: true,
      problem: null,
      mind: service.mind,
      facts: service.facts,
      rules: service.rules,
      nowMs: service.nowMs(),
    }),
    history: (beforeSeq, limit) => journal.page(beforeSeq, limit),
    tell: (event) => service.tell(event),
  };
}
