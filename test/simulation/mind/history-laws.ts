/** What must hold of a whole history of the mind. Keeps a memory of its own, beside that of the mind. */
import type { Entry, FsmState } from "../../../src/fsm/index.ts";
import { leastMs, type Seen } from "./seen.ts";
import { holds } from "./violation.ts";

type Changed = Extract<Entry, { kind: "changed" }>;
type Stretch = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly uncountedMs: number;
  readonly isFruitless: boolean;
};

export class HistoryLaws {
  #sinceMs: number | null = null;
  #isForced = false;
  #missedMs = 0;
  #healed: readonly Stretch[] = [];
  #restUntilMs = 0;
  #retriedAtMs: number | null = null;
  readonly #ends = new Map<string, number>();
  readonly #treatments = new Map<string, number[]>();
  readonly #entries = new Map<FsmState, number[]>();
  /** In dwell times of the state. */
  shortestStay = Infinity;
  readonly tally = new Map<string, number>();

  see(seen: Seen): void {
    for (const entry of seen.result.entries) {
      this.count(entry.kind === "changed" ? `${entry.from}>${entry.to}:${entry.cause}` : entry.kind);
      if (entry.kind === "changed") this.#changed(seen, entry);
      if (entry.kind === "treated") this.#treated(seen, entry);
      if (entry.kind === "judged") this.#judged(seen, entry);
      if (entry.kind === "stoodStill") this.#missedMs += entry.missedMs;
      if (entry.kind === "released") this.#released(seen, entry);
      if (entry.kind === "holdOver") this.#restUntilMs = 0; // its episodes count on
    }
  }

  count(name: string): void {
    this.tally.set(name, (this.tally.get(name) ?? 0) + 1);
  }

  #changed({ before, rules }: Seen, entry: Changed): void {
    const { atMs, from, to, by, cause } = entry;
    const isOwn = by === "mind";
    const sinceMs = this.#sinceMs ?? before.sinceMs;
    if (isOwn) {
      const dwells = (atMs - sinceMs) / leastMs(from, to, rules.settings);
      holds(dwells >= 1, "FSM4: one change of state in a dwell time at most");
      this.shortestStay = Math.min(this.shortestStay, dwells);
    }
    holds(entry.lastedMs === atMs - sinceMs, "FSM6: an entry says how long the state lasted");
    if (from === "healing" && !this.#isForced) this.#episode(entry, sinceMs, rules);
    if (isOwn && to !== "resting") this.#entered(entry, to, rules);
    this.#sinceMs = atMs;
    this.#isForced = cause === "forced";
    this.#missedMs = 0;
  }

  /** FSM5: entries in any stretch of one period belong to two periods at most. */
  #entered({ atMs }: Changed, to: Exclude<FsmState, "resting">, { settings }: Seen["rules"]): void {
    holds(atMs >= this.#restUntilMs, "FSM3: after an episode that did not help nothing is begun for a while");
    const recent = [...(this.#entries.get(to) ?? []), atMs].filter((each) => atMs - each < settings.pace.periodMs);
    this.#entries.set(to, recent);
    holds(recent.length <= 2 * settings.entriesPerPeriod[to], "FSM5: a state is entered no more often than allowed");
  }

  /** FSM3 */
  #episode({ atMs, cause, hold }: Changed, sinceMs: number, { settings }: Seen["rules"]): void {
    const { windowMs, sharePercent, episodes, fruitless, restMs, maxRestMs } = settings.healing;
    const isFruitless = cause === "exhausted" || cause === "deadline";
    const earlier = this.#healed.filter(({ toMs }) => atMs - toMs < windowMs);
    // The tick that ends an episode may be late; neither that nor what was missed is the mind's.
    const lateMs = Math.max(0, atMs - sinceMs - this.#missedMs - settings.deadlineMs.healing);
    const uncountedMs = this.#missedMs + lateMs;
    this.#healed = [...earlier, { fromMs: sinceMs, toMs: atMs, uncountedMs, isFruitless }];
    const healedMs = this.#healed.reduce((sum, { fromMs, toMs, uncountedMs: uncounted }) => {
      return sum + Math.max(0, toMs - Math.max(fromMs, atMs - windowMs) - uncounted);
    }, 0);
    holds(healedMs <= (windowMs * sharePercent) / 100, "FSM3: no window holds more healing than its share");
    const begun = this.#healed.filter(({ fromMs }) => sinceMs - fromMs < windowMs);
    holds(begun.length <= episodes, "FSM3: no window holds more episodes than allowed");
    const isLastTry = this.#retriedAtMs !== null && atMs - this.#retriedAtMs < windowMs;
    const count = this.#healed.filter((each) => each.isFruitless).length;
    holds(
      (hold !== null) === (isFruitless && (count >= fruitless || isLastTry)),
      "FSM3: episodes that do not help lead to the hold",
    );
    if (hold !== null) holds((hold.retryAtMs === null) === isLastTry, "FSM3: after its one retry a hold stays");
    if (isFruitless) this.#restUntilMs = atMs + Math.min(maxRestMs, restMs * 2 ** earlier.length);
  }

  #released({ rules }: Seen, { atMs, isRetry }: Extract<Entry, { kind: "released" }>): void {
    if (!isRetry) {
      this.#healed = []; // a person answers for what follows
      this.#retriedAtMs = null;
      this.#restUntilMs = 0;
      return;
    }
    const isFirst = this.#retriedAtMs === null || atMs - this.#retriedAtMs >= rules.settings.healing.windowMs;
    holds(isFirst, "FSM3: a hold ends by itself once in a window");
    this.#retriedAtMs = atMs;
  }

  #judged({ before }: Seen, { treatment, atMs }: Extract<Entry, { kind: "judged" }>): void {
    const judged = before.treatments.find(({ id }) => id === treatment);
    if (judged !== undefined) this.#ends.set(`${judged.remediation} ${judged.target}`, atMs);
  }

  /** FSM8 */
  #treated({ rules, result }: Seen, entry: Extract<Entry, { kind: "treated" }>): void {
    const { fault, remediation, target, atMs, seq } = entry;
    const row = rules.remediations.find((each) => each.fault === fault && each.name === remediation);
    const key = `${remediation} ${target}`;
    const begun = this.#treatments.get(key) ?? [];
    const recent = begun.filter((each) => atMs - each < (row?.withinMs ?? 0));
    holds(
      row !== undefined && recent.length < row.attempts,
      "FSM8: a remediation has its number of attempts on a target",
    );
    const last = recent.length === 0 ? undefined : this.#ends.get(key);
    const coolMs = row.coolDownMs * 2 ** (recent.length - 1);
    holds(last === undefined || atMs - last >= coolMs, "FSM8: a remediation cools down for longer each time");
    const kept = result.mind.treatments.filter(({ id }) => id === seq);
    holds(kept.length === 1, "FSM8: what is begun is remembered");
    if (entry.isHandedOver) this.#ends.set(key, atMs);
    this.#treatments.set(key, [...begun.filter((each) => atMs - each < 7 * 86_400_000), atMs]);
  }
}
