import { treeCpuUs } from "../machine/processes.ts";
import { ADAPTERS } from "./adapters.ts";
import { type Effort, type Finding, type Measurement, measure } from "./measurements.ts";

/** All that one cell's process is told. */
export type CellRequest = {
  readonly adapter: string;
  readonly measurement: Measurement;
  readonly effort: Effort;
  readonly folder: string;
  readonly port: number;
  readonly serverPid: number | null;
};

/** What one cell's process answers. */
export type CellAnswer = Finding & {
  /** CPU time of this process and of its server, within the timed part. */
  readonly cpuUsPerTask: number;
};

/** The answer stands on a line of its own behind this, whatever the queues print. */
export const ANSWER_MARK = "bench-cell-answer ";

/** Runs one measurement of one queue in this process and prints the answer. */
export async function runCell(request: CellRequest): Promise<void> {
  const info = ADAPTERS.find(({ name }) => name === request.adapter);
  if (info === undefined) throw new Error(`there is no adapter ${request.adapter}`);
  const adapter = await info.open({ folder: request.folder, port: request.port });
  let cpuUs = 0;
  const cpuNow = (): number => {
    const { user, system } = process.cpuUsage();
    return user + system + (request.serverPid === null ? 0 : treeCpuUs(request.serverPid));
  };
  const found = await measure(request.measurement, adapter, request.effort, {
    begin: async () => {
      cpuUs -= cpuNow();
    },
    end: async () => {
      cpuUs += cpuNow();
    },
  });
  const answer: CellAnswer = { ...found, cpuUsPerTask: cpuUs / found.tasks };
  process.stdout.write(`${ANSWER_MARK}${JSON.stringify(answer)}\n`);
  // Closing is part of no measurement, and some queues take seconds for it.
  process.exit(0);
}
