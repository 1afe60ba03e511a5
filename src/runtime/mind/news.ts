/** What the mind tells through the history of events. */
import type { CarriedOut } from "#activities";
import { describeFailure, type JsonObject, type Logger, type NodeId } from "#base";
import type { Entry } from "#fsm";
import type { AnnouncementKind, Queue } from "#queue";

const KINDS: Readonly<Partial<Record<Entry["kind"], AnnouncementKind>>> = {
  changed: "mind.changed",
  paused: "mind.paused",
  resumed: "mind.resumed",
  released: "mind.released",
  holdOver: "mind.released",
  treated: "mind.treated",
  judged: "mind.judged",
};

export type NewsParts = {
  readonly queue: Pick<Queue, "announce">;
  readonly node: NodeId;
  readonly logger: Logger;
  /** Whether every node of the fleet knows these events; a hub that does not refuses them. */
  readonly isUnderstood: () => boolean;
};

export class MindNews {
  readonly #parts: NewsParts;

  constructor(parts: NewsParts) {
    this.#parts = parts;
  }

  /** An entry, once it is durable. */
  readonly decided = ({ kind, ...entry }: Entry): void => {
    const name = KINDS[kind];
    if (name !== undefined) this.#announce(name, { ...entry });
  };

  readonly carriedOut = (outcome: CarriedOut): void => this.#announce("mind.carried_out", { ...outcome });

  #announce(kind: AnnouncementKind, data: JsonObject): void {
    const { queue, node, logger, isUnderstood } = this.#parts;
    if (!isUnderstood()) return;
    void queue.announce(kind, { node, ...data }).then(
      (told) => {
        if (!told.ok) logger.warn("what the mind did was not told", { kind, failure: describeFailure(told.error) });
      },
      (cause: unknown) => logger.error("what the mind did was not told by a bug", { kind, cause: String(cause) }),
    );
  }
}
