/**
 * Until when this node may use what it holds of its hub, for the process after this one: on the clock of the machine's
 * boot, which goes on while no process is there and while the machine sleeps.
 *
 * L1: a note counts only in the boot that it was written in. Of another one, or where the boot is not known, there is
 *     none: whatever ran is then over anyway, or nobody knows for how long it has been.
 */
import { type Clock, err, ok, type Result, terminal } from "#base";
import type { Fence } from "#queue";

/** The boot of this machine, by a name that no other one has, and for how long it has lasted. */
export type BootTime = { readonly boot: string; readonly elapsedMs: number };

/** One text that outlives the process. Each call is durable when it returns. */
export interface DurableText {
  read(): Result<string | undefined>;
  write(text: string): Result<void>;
}

export type NotedLease = { readonly taskId: string; readonly fence: Fence; readonly untilMs: number };

export type LeaseNotesParts = {
  readonly text: DurableText;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Undefined where there is no such clock. */
  readonly bootTime: () => BootTime | undefined;
};

type Noted = { readonly boot: string; readonly leases: readonly NotedLease[] };

export class LeaseNotes {
  readonly #parts: LeaseNotesParts;

  constructor(parts: LeaseNotesParts) {
    this.#parts = parts;
  }

  /** @returns what a process before this one noted, by this process's clock. */
  read(): Result<readonly NotedLease[]> {
    const now = this.#parts.bootTime();
    if (now === undefined) return ok([]);
    const text = this.#parts.text.read();
    if (!text.ok) return text;
    if (text.value === undefined) return ok([]);
    const noted = notedOf(text.value);
    if (!noted.ok) return noted;
    const aheadMs = this.#parts.clock.monotonicMs() - now.elapsedMs;
    const leases = noted.value.boot === now.boot ? noted.value.leases : [];
    return ok(leases.map((lease) => ({ ...lease, untilMs: lease.untilMs + aheadMs })));
  }

  write(leases: readonly NotedLease[]): Result<void> {
    const now = this.#parts.bootTime();
    if (now === undefined) return ok(undefined);
    const behindMs = now.elapsedMs - this.#parts.clock.monotonicMs();
    const noted: Noted = {
      boot: now.boot,
      leases: leases.map(({ taskId, fence, untilMs }) => ({ taskId, fence, untilMs: untilMs + behindMs })),
    };
    return this.#parts.text.write(JSON.stringify(noted));
  }
}

function notedOf(text: string): Result<Noted> {
  try {
    return ok(JSON.parse(text) as Noted); // `as`: written by `write`
  } catch (cause) {
    return err(terminal("corrupt", `read the leases that were noted: ${String(cause)}`));
  }
}

/** For tests and simulations, on a disk of their own making. */
export class MemoryText implements DurableText {
  #text: string | undefined;

  read(): Result<string | undefined> {
    return ok(this.#text);
  }

  write(text: string): Result<void> {
    this.#text = text;
    return ok(undefined);
  }
}
