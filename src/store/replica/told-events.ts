import { createHash } from "node:crypto";
import type { QueueEvent } from "#queue";

/**
 * Which events the listeners of a replica have been told, so that none is told twice and none is left out, also when
 * the hub was replaced by one that gave the same numbers to other events.
 */
export class ToldEvents {
  /** The latest ones: how far back a hub may be that was promoted, without something being told again. */
  static readonly KEPT = 1_000;
  #marks: { readonly seq: number; readonly mark: string }[];
  #seq: number;

  /** @param known the latest events of the database when the first listener can come, in order */
  constructor(known: readonly QueueEvent[]) {
    this.#marks = known.map(markOf).slice(-ToldEvents.KEPT);
    this.#seq = known.at(-1)?.seq ?? 0;
  }

  /** What comes after it was not told. */
  get seq(): number {
    return this.#seq;
  }

  /** Where events have to be known from for {@link resume}. */
  get firstKept(): number {
    return this.#marks[0]?.seq ?? this.#seq;
  }

  add(events: readonly QueueEvent[]): void {
    this.#marks = [...this.#marks, ...events.map(markOf)].slice(-ToldEvents.KEPT);
    this.#seq = events.at(-1)?.seq ?? this.#seq;
  }

  /** Another database has taken the place. @param found its events from {@link firstKept} on, in order, as many as are kept */
  resume(found: readonly QueueEvent[]): void {
    const marks = new Map(found.map((event) => [event.seq, markOf(event).mark]));
    const common = this.#marks.findLastIndex(({ seq, mark }) => marks.get(seq) === mark);
    this.#seq = this.#marks[common]?.seq ?? Math.max(0, this.firstKept - 1);
    this.#marks = this.#marks.slice(0, common + 1);
  }
}

function markOf(event: QueueEvent): { readonly seq: number; readonly mark: string } {
  const { seq, atMs, kind, taskId, data } = event;
  return {
    seq,
    mark: createHash("sha1")
      .update(JSON.stringify([atMs, kind, taskId, data]))
      .digest("base64"),
  };
}
