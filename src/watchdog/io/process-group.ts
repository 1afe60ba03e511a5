/** The processes that are kept alive beside the node, each by a supervisor and with a log of its own. */
import { join } from "node:path";
import type { Clock, JsonValue, Logger, Random } from "#base";
import type { ProcessSpec } from "../process-spec.ts";
import type { ProcessIdentity } from "./process-table.ts";
import { RotatedLog } from "./rotated-log.ts";
import { Supervisor } from "./supervisor.ts";

type Member = { readonly name: string; readonly supervisor: Supervisor; readonly logPath: string };

export class ProcessGroup {
  readonly #members: readonly Member[];

  constructor(
    specs: readonly ProcessSpec[],
    parts: {
      readonly logDir: string;
      readonly clock: Clock;
      readonly random: Random;
      readonly logger: Logger;
      /** One of them was started, or failed. */
      readonly changed: () => void;
    },
  ) {
    this.#members = specs.map((spec) => {
      const logPath = join(parts.logDir, `${spec.name}.log`);
      const output = new RotatedLog(logPath);
      return {
        name: spec.name,
        logPath,
        supervisor: new Supervisor({ ...parts, spec: () => spec, output, onFault: parts.changed }),
      };
    });
  }

  /** In the order of the configuration. @param left what an earlier watchdog started; what lives of it is taken over */
  start(left: Readonly<Record<string, ProcessIdentity>>): void {
    for (const { name, supervisor } of this.#members) {
      const identity = left[name];
      if (identity === undefined) supervisor.start();
      else supervisor.adopt(identity);
    }
  }

  identities(): Readonly<Record<string, ProcessIdentity>> {
    const found: Record<string, ProcessIdentity> = {};
    for (const { name, supervisor } of this.#members) {
      if (supervisor.identity !== undefined) found[name] = supervisor.identity;
    }
    return found;
  }

  /** Starts a process anew whose restarts are used up, too. @returns whether there is one of this name. */
  restart(name: string): boolean {
    const member = this.#members.find((one) => one.name === name);
    if (member === undefined) return false;
    if (member.supervisor.snapshot().phase === "held") member.supervisor.release();
    else member.supervisor.restart("a person asked for it");
    return true;
  }

  /** The last started first: what comes later may need what came before. */
  async stop(graceMs: number): Promise<void> {
    for (const { supervisor } of this.#members.toReversed()) await supervisor.stop({ graceMs });
  }

  view(): readonly JsonValue[] {
    return this.#members.map(({ name, supervisor, logPath }) => {
      const { phase, pid, generation, phaseMs, fault } = supervisor.snapshot();
      const lastFault = fault === null ? null : { ...fault };
      return { name, phase, pid, generation, phaseMs: Math.round(phaseMs), lastFault, log: logPath };
    });
  }
}
