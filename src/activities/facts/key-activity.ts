/**
 * What happens to the tasks of each key: how many were added and ended in the last minute, and whose attempts were lost in
 * the last ten. Pure but for what it counts; kept in memory, so a node that starts anew counts from then on. Tasks without
 * a key share none that could be paused, and are not counted.
 */
import type { Fault } from "#fsm";
import type { QueueEvent } from "#queue";

const SLOT_MS = 10_000;
export const GROWTH_MS = 60_000;
export const CRASH_MS = 600_000;
/** Keys that are counted at once; the one that was quiet for longest makes room. */
const MAX_KEYS = 1_000;

type Slot = { readonly index: number; grown: number; crashed: number };

const ENDS: ReadonlySet<string> = new Set(["task.done", "task.dead", "task.cancelled"]);

export class KeyActivity {
  /** The key that something happened to last comes last. */
  readonly #keys = new Map<string, Slot[]>();

  observe(events: readonly QueueEvent[], nowMs: number): void {
    for (const { kind, data } of events) {
      const { key, outcome } = data;
      if (typeof key !== "string" || key === "") continue;
      if (kind === "task.submitted") this.#count(key, nowMs, 1, 0);
      else if (ENDS.has(kind)) this.#count(key, nowMs, -1, outcome === "lost" ? 1 : 0);
      else if (kind === "task.retry" && outcome === "lost") this.#count(key, nowMs, 0, 1);
    }
  }

  /** @returns how fast keys grow and how often their attempts are lost; nothing of a key that is paused by then. */
  faults(nowMs: number, isPaused: (key: string) => boolean): readonly Fault[] {
    const found: Fault[] = [];
    const now = Math.floor(nowMs / SLOT_MS);
    for (const [key, slots] of this.#keys) {
      const recent = slots.filter(({ index }) => now - index < CRASH_MS / SLOT_MS);
      if (recent.length === 0) {
        this.#keys.delete(key);
        continue;
      }
      if (isPaused(key)) continue;
      const grown = recent
        .filter(({ index }) => now - index < GROWTH_MS / SLOT_MS)
        .reduce((sum, slot) => sum + slot.grown, 0);
      const crashed = recent.reduce((sum, slot) => sum + slot.crashed, 0);
      if (crashed > 0) found.push({ kind: "crashLoop", target: key, level: crashed, healthyAttempts: 0 });
      if (grown > 0) found.push({ kind: "queueGrowing", target: key, level: grown, healthyAttempts: 0 });
    }
    return found.toSorted((a, b) => b.level - a.level);
  }

  #count(key: string, nowMs: number, grown: number, crashed: number): void {
    const index = Math.floor(nowMs / SLOT_MS);
    const slots = this.#keys.get(key) ?? [];
    this.#keys.delete(key);
    let last = slots.at(-1);
    if (last?.index !== index) {
      last = { index, grown: 0, crashed: 0 };
      slots.push(last);
      while (slots.length > CRASH_MS / SLOT_MS) slots.shift();
    }
    last.grown += grown;
    last.crashed += crashed;
    this.#keys.set(key, slots);
    if (this.#keys.size > MAX_KEYS) for (const oldest of this.#keys.keys()) return void this.#keys.delete(oldest);
  }
}
