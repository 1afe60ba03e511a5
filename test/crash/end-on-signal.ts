/** What a run of many processes leaves when it is interrupted: nothing. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killPid, processesWithin } from "../support/binary-processes.ts";

/** A process may start another one while it is being looked for. */
const MAX_ROUNDS = 20;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Gives this process a temporary folder of its own, by which all that it starts from now on is found: watchdogs and nodes
 * are in sessions of their own, where Ctrl-C does not reach them.
 * @returns what removes the folder at the end.
 */
export function endOwnOnSignal(): () => void {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "drover-run-of-")));
  process.env["TMPDIR"] = folder;
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => {
      const others = () => processesWithin("TMPDIR", folder).filter(({ pid }) => pid !== process.pid);
      for (let round = 0; round < MAX_ROUNDS && others().length > 0; round += 1) {
        for (const { pid } of others()) killPid(pid);
      }
      remove();
      process.exit(EXIT_CODES[signal]);
    });
  }
  return remove;
}
