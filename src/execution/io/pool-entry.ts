import type { AttemptRef } from "../attempt.ts";
import type { AttemptFolder } from "./attempt-folder.ts";
import type { ProcessIdentity } from "./process-identity.ts";
import type { Peer } from "./worker-socket.ts";

/** What the pool knows of one attempt it answers for. */
export type PoolEntry = {
  readonly ref: AttemptRef;
  readonly folder: AttemptFolder;
  readonly token: string;
  readonly logPath: string;
  /** Whether its exit is reported by the system, because this node started it. */
  readonly own: boolean;
  identity: ProcessIdentity | undefined;
  peer: Peer | undefined;
  silentTicks: number;
  /** Ticks since somebody asked for it to end. */
  cancelTicks: number | undefined;
  /** Said again to a worker that connects later. */
  pendingCancel: string | undefined;
  settling: Promise<void> | undefined;
};

export function newEntry(fixed: Pick<PoolEntry, "ref" | "folder" | "token" | "logPath" | "own">): PoolEntry {
  return {
    ...fixed,
    identity: undefined,
    peer: undefined,
    silentTicks: 0,
    cancelTicks: undefined,
    pendingCancel: undefined,
    settling: undefined,
  };
}

export function keyOf(ref: Pick<AttemptRef, "taskId" | "attempt">): string {
  return `${ref.taskId}-${ref.attempt}`;
}

/** Answers remembered for workers that ask again after their folder is gone. */
const MAX_REMEMBERED = 1_000;

export type FinalAnswer = "accepted" | "refused";

/** The last answers by token; the oldest are forgotten, and such a worker hears that it is unknown. */
export class RememberedAnswers {
  readonly #answers = new Map<string, FinalAnswer>();

  get(token: string): FinalAnswer | undefined {
    return this.#answers.get(token);
  }

  set(token: string, answer: FinalAnswer): void {
    this.#answers.set(token, answer);
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MAX_REMEMBERED) break;
      this.#answers.delete(oldest);
    }
  }
}
