/** Sends what this node had accepted as a hub that was superseded, from its quarantine: rules R1 to R3 of the fleet. */
import { type Clock, describeFailure, type JsonValue, type Logger, ok, type Result } from "#base";
import {
  type FleetCommand,
  foldersToDelete,
  type Quarantine,
  type QuarantineEntry,
  type Resend,
  settlementOf,
} from "#fleet";
import { type Repeated, repeat } from "../repeat.ts";

export type ResendStep = "resend.listed" | "resend.answered" | "resend.noted";

export type ResenderParts = {
  readonly quarantine: Quarantine;
  /** @returns undefined while there is no answer; the same command is to be asked again then. */
  readonly perform: (command: FleetCommand) => Promise<Result<JsonValue | undefined> | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly crashPoint: (step: ResendStep) => void;
};

/** Entries that are read at once: whole submissions. */
const PAGE_ENTRIES = 32;
/** Sent at once. Each is flushed into the outbox before, which takes a turn of the event loop some milliseconds. */
const AT_ONCE = 8;
const SOON_MS = 1_000;
/** A folder comes only with a start; what is looked for is room. */
const IDLE_MS = 10 * 60_000;

export class Resender {
  readonly #parts: ResenderParts;
  readonly #passes: Repeated;

  constructor(parts: ResenderParts) {
    this.#parts = parts;
    this.#passes = repeat(parts.clock, 0, () => this.#pass());
  }

  start(): void {
    this.#passes.start();
  }

  /** What is being sent is answered or not; the next start finds out. */
  stop(): Promise<void> {
    return this.#passes.stop();
  }

  async #pass(): Promise<number> {
    try {
      return (await this.work()) ? IDLE_MS : SOON_MS;
    } catch (cause) {
      this.#parts.logger.error("sending from the quarantine failed by a bug", { cause: String(cause) });
      return SOON_MS;
    }
  }

  /** One pass. @returns whether nothing is left to be sent */
  async work(): Promise<boolean> {
    const { quarantine } = this.#parts;
    const found = quarantine.folders();
    if (!found.ok) return this.#failed("look through the quarantine", found);
    let isDone = true;
    for (const { name, state } of found.value) {
      if (state === "reading") isDone = (await this.#read(name)) && isDone;
      if (state === "reading" || state === "sending") isDone = (await this.#send(name)) && isDone;
    }
    await this.#makeRoom();
    return isDone;
  }

  /** @returns whether it is read to its end. */
  async #read(name: string): Promise<boolean> {
    while (!this.#passes.isStopped) {
      const read = await this.#parts.quarantine.readOn(name);
      if (!read.ok) return this.#failed(`read quarantine ${name}`, read);
      this.#parts.crashPoint("resend.listed");
      if (read.value) return true;
    }
    return false;
  }

  async #send(name: string): Promise<boolean> {
    const { quarantine, logger } = this.#parts;
    let isDone = true;
    for (let after = 0; !this.#passes.isStopped; ) {
      const page = quarantine.waiting(name, after, PAGE_ENTRIES);
      if (!page.ok) return this.#failed(`send from quarantine ${name}`, page);
      const last = page.value.at(-1);
      if (last === undefined) break;
      const sent = await this.#sendPage(name, page.value);
      if (!sent.ok) return this.#failed(`send from quarantine ${name}`, sent);
      isDone &&= sent.value;
      after = last.n;
    }
    const now = quarantine.folders();
    const folder = now.ok ? now.value.find((each) => each.name === name) : undefined;
    if (!isDone || folder?.state !== "sending" || folder.counts.waiting > 0) return folder?.state !== "sending";
    const settled = await quarantine.setSettled(name);
    if (!settled.ok) return this.#failed(`settle quarantine ${name}`, settled);
    logger.info("what this node had accepted as a hub is settled with the new one", { folder: name, ...folder.counts });
    return true;
  }

  /** @returns whether all of them are settled. */
  async #sendPage(name: string, entries: readonly QuarantineEntry[]): Promise<Result<boolean>> {
    const { quarantine } = this.#parts;
    const loaded = await quarantine.load(name, entries);
    if (!loaded.ok) return loaded;
    let isAll = true;
    for (let from = 0; from < entries.length && !this.#passes.isStopped; from += AT_ONCE) {
      const results = await Promise.all(
        entries.slice(from, from + AT_ONCE).map((entry) => this.#sendOne(name, entry, loaded.value.get(entry.n))),
      );
      for (const result of results) {
        if (!result.ok) return result;
        isAll &&= result.value;
      }
    }
    return ok(isAll && !this.#passes.isStopped);
  }

  async #sendOne(name: string, { n, command }: QuarantineEntry, resend: Resend | undefined): Promise<Result<boolean>> {
    const { quarantine, perform, crashPoint } = this.#parts;
    if (resend === undefined) {
      const gone = quarantine.settle(name, n, "left", "it was dropped there, or is too old to be kept");
      return gone.ok ? ok(true) : gone;
    }
    const answer = await perform({ id: command, ...commandOf(resend) });
    if (answer !== undefined) crashPoint("resend.answered");
    const isHeldUp = resend.kind === "submit" ? quarantine.hasWaiting(name, resend.task.dependsOn) : ok(false);
    if (!isHeldUp.ok) return isHeldUp;
    const settlement = settlementOf(resend, answer, isHeldUp.value);
    if (settlement.kind === "later") return ok(false);
    const noted =
      settlement.kind === "again"
        ? quarantine.renew(name, n, settlement.reason)
        : quarantine.settle(name, n, settlement.outcome, settlement.reason);
    if (!noted.ok) return noted;
    crashPoint("resend.noted");
    return ok(settlement.kind === "settled");
  }

  async #makeRoom(): Promise<void> {
    const { quarantine, logger } = this.#parts;
    const folders = quarantine.folders();
    if (!folders.ok) return;
    for (const { name } of foldersToDelete(folders.value)) {
      const removed = await quarantine.remove(name);
      if (removed.ok) logger.info("a quarantined database that is settled makes room", { folder: name });
    }
  }

  #failed(what: string, { error }: Extract<Result<unknown>, { ok: false }>): false {
    const level = error.kind === "retryable" ? "debug" : "error";
    this.#parts.logger[level](`could not ${what}`, { failure: describeFailure(error) });
    return false;
  }
}

function commandOf(resend: Resend) {
  if (resend.kind === "submit") return { kind: "submit", args: { tasks: [resend.task] } } as const;
  const { taskId, fence, report } = resend;
  return { kind: "finish", args: { taskId, fence, report } } as const;
}
