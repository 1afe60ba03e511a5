import { afterEach } from "vitest";
import { seededRandom, silentLogger } from "#base";
import { DEFAULT_POLICY, type FaultRecord, type ProcessSpec, type SupervisionPolicy, Supervisor } from "#watchdog";
import { realClock } from "./real-clock.ts";

/** Keeps what a process writes, for tests that look at it. */
export class KeptOutput {
  #text = "";

  accept(chunk: Uint8Array): void {
    this.#text += Buffer.from(chunk).toString();
  }

  get text(): string {
    return this.#text;
  }
}

export type SupervisedWorld = {
  readonly supervisor: Supervisor;
  readonly output: KeptOutput;
  readonly faults: readonly FaultRecord[];
};

export const QUICK: SupervisionPolicy = {
  ...DEFAULT_POLICY,
  startLimitMs: 5_000,
  probeEveryMs: 50,
  probeFailures: 2,
  termGraceMs: 200,
  killLimitMs: 5_000,
  backoff: { firstMs: 20, maxMs: 100, healthyAfterMs: 60_000 },
};

/** @returns a function that makes supervisors of real processes; each is stopped after its test. */
export function supervisedWorlds(): (
  command: readonly string[],
  changes?: Partial<Omit<ProcessSpec, "policy">> & { readonly policy?: Partial<SupervisionPolicy> },
) => SupervisedWorld {
  const made: Supervisor[] = [];
  afterEach(async () => {
    for (const supervisor of made.splice(0)) await supervisor.stop({ graceMs: 0 });
  });
  return (command, changes = {}) => {
    const faults: FaultRecord[] = [];
    const output = new KeptOutput();
    const supervisor = new Supervisor({
      spec: () => ({
        name: "example",
        command,
        env: { PATH: process.env["PATH"] ?? "" },
        descriptors: [],
        probe: null,
        usesHeartbeat: false,
        ...changes,
        policy: { ...QUICK, ...changes.policy },
      }),
      clock: realClock,
      random: seededRandom(1),
      logger: silentLogger,
      output,
      onFault: (fault) => void faults.push(fault),
    });
    made.push(supervisor);
    return { supervisor, output, faults };
  };
}
