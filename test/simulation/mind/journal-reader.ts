/**
 * What a journal says, read without the code that applies it (FSM6): a second account of the mind, from the texts of its
 * entries alone. No settings, no clock, no facts.
 */
import { type Entry, encodeEntry, type FsmState, type Mind, newMind } from "../../../src/fsm/index.ts";
import { holds } from "./violation.ts";

type Told = Pick<Mind, "state" | "sinceMs" | "cause" | "deadlineMs" | "restUntilMs" | "healAgainMs" | "retriedAtMs">;
type Open = { readonly target: string; untilMs: number; verdict: string | null; endedMs: number | null };

export class JournalReader {
  #told: Told;
  #isPaused = false;
  #isHeld = false;
  #entered: { readonly state: FsmState; readonly periodMs: number }[] = [];
  #periodMs: number;
  readonly #treatments = new Map<number, Open>();
  #seq = 0;

  constructor(startMs: number) {
    this.#told = newMind(startMs);
    this.#periodMs = startMs;
  }

  /** Reads on. Throws a Violation unless the mind is what the entries say. */
  read(entries: readonly Entry[], mind: Mind): void {
    for (const entry of entries) this.#entry(entry);
    const { state, sinceMs, cause, deadlineMs, restUntilMs, healAgainMs, retriedAtMs } = mind;
    const now = { state, sinceMs, cause, deadlineMs, restUntilMs, healAgainMs, retriedAtMs };
    const said = { ...this.#told };
    for (const [name, value] of Object.entries(now)) {
      holds(said[name as keyof Told] === value, `FSM6: ${name} is what the journal says`); // `as`: a name of Told
    }
    holds(mind.seq === this.#seq, "FSM6: a mind is as far as its journal");
    holds((mind.pause !== null) === this.#isPaused, "FSM6: it is paused when its journal says so");
    holds((mind.hold !== null) === this.#isHeld, "FSM6: it is on hold when its journal says so");
    const inPeriod = this.#entered.filter(({ periodMs }) => periodMs === this.#periodMs);
    for (const [name, count] of Object.entries(mind.period.entries)) {
      const read = inPeriod.filter((one) => one.state === name).length;
      holds(count === read, "FSM6: entries of a period are those of the journal");
    }
    this.#entered = inPeriod;
    for (const { id, target, untilMs, verdict, endedMs } of mind.treatments) {
      const read = this.#treatments.get(id);
      const isSame = read?.target === target && read.untilMs === untilMs && read.verdict === verdict;
      holds(isSame && read.endedMs === endedMs, "FSM6: treatments are those of the journal");
    }
    for (const [id, { verdict }] of this.#treatments) {
      const isThere = mind.treatments.some((treatment) => treatment.id === id);
      holds(isThere || verdict !== null, "FSM6: no treatment under way is forgotten");
      if (!isThere) this.#treatments.delete(id);
    }
  }

  #entry(written: Entry): void {
    // `as`: the text of an entry is JSON of its fields; decodeEntry is code under test.
    const entry = JSON.parse(encodeEntry(written)) as Entry;
    const { atMs } = entry;
    this.#seq += 1;
    holds(entry.seq === this.#seq, "FSM6: entries are numbered without gaps");
    switch (entry.kind) {
      case "changed": {
        const { to, cause, deadlineMs, restUntilMs, healAgainMs, periodSinceMs, hold } = entry;
        holds(entry.from === this.#told.state, "FSM6: a change begins where the one before it ended");
        this.#told = { ...this.#told, state: to, sinceMs: atMs, cause, deadlineMs, restUntilMs, healAgainMs };
        this.#periodMs = periodSinceMs;
        if (hold !== null) this.#isHeld = true;
        if (to !== "resting" && cause !== "forced") this.#entered.push({ state: to, periodMs: periodSinceMs });
        return;
      }
      case "treated": {
        const { seq, target, untilMs, isHandedOver } = entry;
        const verdict = isHandedOver ? "handedOver" : null;
        this.#treatments.set(seq, { target, untilMs, verdict, endedMs: isHandedOver ? atMs : null });
        return;
      }
      case "judged": {
        const treatment = this.#treatments.get(entry.treatment);
        if (treatment !== undefined) Object.assign(treatment, { verdict: entry.verdict, endedMs: atMs });
        return;
      }
      case "paused":
      case "resumed":
        this.#isPaused = entry.kind === "paused";
        return;
      case "released":
        this.#isHeld = false;
        if (entry.isRetry) this.#told = { ...this.#told, retriedAtMs: atMs };
        else this.#told = { ...this.#told, retriedAtMs: null, restUntilMs: atMs, healAgainMs: atMs };
        return;
      case "holdOver":
        this.#isHeld = false;
        this.#told = { ...this.#told, restUntilMs: atMs };
        return;
      case "stoodStill": {
        const { deadlineMs } = this.#told;
        if (deadlineMs !== null) this.#told = { ...this.#told, deadlineMs: deadlineMs + entry.missedMs };
        for (const treatment of this.#treatments.values()) {
          if (treatment.verdict === null) treatment.untilMs += entry.missedMs;
        }
      }
    }
  }
}
