import { type Clock, describeFailure, type Logger } from "#base";
import type { AuditStore } from "./audit-store.ts";
import type { Audit, AuditEntry } from "./chain.ts";

/** Decisions that wait for a disk; a mind decides some in a minute, so this is hours. */
const MAX_WAITING = 1_000;

export type AuditTrailParts = {
  readonly store: AuditStore;
  readonly clock: Clock;
  readonly logger: Logger;
};

/**
 * Writes decisions down in their order. What cannot be written now waits, with the time at which it was decided, and is
 * written before whatever comes next; when too many wait, the latest are lost, and a row says how many.
 */
export class AuditTrail implements Audit {
  readonly #parts: AuditTrailParts;
  #waiting: readonly { readonly entry: AuditEntry; readonly atMs: number }[] = [];
  #lost = 0;

  constructor(parts: AuditTrailParts) {
    this.#parts = parts;
  }

  /** Entries that could not be written yet, and those that were given up. */
  get figures(): { readonly waiting: number; readonly lost: number } {
    return { waiting: this.#waiting.length, lost: this.#lost };
  }

  append(entry: AuditEntry): void {
    if (this.#waiting.length >= MAX_WAITING) {
      this.#lost += 1;
      return;
    }
    this.#waiting = [...this.#waiting, { entry, atMs: this.#parts.clock.nowMs() }];
    this.flush();
  }

  /** Tries again what waits. @returns whether nothing waits any more. */
  flush(): boolean {
    const { store, clock, logger } = this.#parts;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      const written = store.append(next.entry, next.atMs);
      if (!written.ok) {
        logger.error("a decision could not be written into the audit log", {
          action: next.entry.action,
          waiting: this.#waiting.length,
          failure: describeFailure(written.error),
        });
        return false;
      }
      this.#waiting = this.#waiting.slice(1);
    }
    if (this.#lost === 0) return true;
    const reason = `${this.#lost} entries could not be written while the disk took nothing`;
    const told = store.append({ actor: "audit", action: "audit.lost", subject: "audit", reason }, clock.nowMs());
    if (told.ok) this.#lost = 0;
    return told.ok;
  }
}
