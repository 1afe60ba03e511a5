/** A mind with its journal, as a service would keep it: steps it, crashes it, reads it back, and checks every law. */
import {
  decodeMind,
  effectsAtStart,
  encodeMind,
  type Facts,
  type FsmRules,
  type Mind,
  type MindEvent,
  newMind,
  replay,
  step,
} from "../../../src/fsm/index.ts";
import { HistoryLaws } from "./history-laws.ts";
import { JournalReader } from "./journal-reader.ts";
import { checkReplay, checkShape, checkStep, checkText } from "./step-laws.ts";
import { holds } from "./violation.ts";

export class Player {
  readonly #rules: FsmRules;
  readonly #readsText: boolean;
  readonly laws = new HistoryLaws();
  readonly #reader: JournalReader;
  mind: Mind;
  nowMs: number;

  /** @param readsText whether each step also goes through its written form; slow */
  constructor(rules: FsmRules, startMs: number, readsText: boolean) {
    this.#rules = rules;
    this.#readsText = readsText;
    this.nowMs = startMs;
    this.mind = newMind(startMs);
    this.#reader = new JournalReader(startMs);
  }

  /**
   * @param backMs by how much the clock is wrong at this moment
   * @param kept how many of the entries were durable when the process was killed; null: it was not
   */
  tell(event: MindEvent, facts: Facts, afterMs: number, kept: number | null = null, backMs = 0): void {
    this.nowMs += afterMs;
    const before = this.mind;
    const result = step(before, event, facts, this.#rules, this.nowMs - backMs);
    const nowMs = Math.max(this.nowMs - backMs, before.atMs);
    const seen = { before, event, facts, rules: this.#rules, nowMs, result };
    checkStep(seen);
    if (result.entries.length === 0) return;
    checkReplay(before, result);
    if (this.#readsText) checkText(seen);
    const durable = kept === null ? result.entries : result.entries.slice(0, kept);
    this.mind = durable.length === result.entries.length ? result.mind : replay(before, durable);
    checkShape(this.mind);
    this.#reader.read(durable, this.mind);
    this.laws.see({ ...seen, result: { ...result, mind: this.mind, entries: durable } });
    if (kept !== null) this.#start();
  }

  /** FSM6, FSM8: what a new process does about the mind that it finds. */
  #start(): void {
    this.laws.count("crash");
    const read = decodeMind(encodeMind(this.mind));
    holds(read.ok && Bun.deepEquals(read.value, this.mind, true), "FSM6: a mind is read as it was written");
    const kinds = effectsAtStart(this.mind).map(({ kind }) => kind);
    holds(kinds.includes("begin") === (this.mind.state !== "resting"), "FSM6: the activity of its state begins anew");
    holds(
      kinds.includes("askPerson") === (this.mind.hold !== null),
      "FSM3: a hold asks for a person, also after a crash",
    );
    holds(!kinds.includes("treat"), "FSM8: no remediation is repeated after a crash");
  }
}
