/** What became of the hub, told to the history of the fleet once there is a hub to tell it to. */
import type { Clock, JsonObject, Timer } from "#base";
import type { AnnouncementKind, Queue } from "#queue";

export type ElectionNews = { readonly kind: AnnouncementKind; readonly data: JsonObject };

const TRY_EVERY_MS = 2_000;
/** Older ones are dropped: a fleet that had more candidacies without any hub has them in its logs. */
const MAX_UNTOLD = 32;

export class ElectionEvents {
  readonly #queue: Pick<Queue, "announce">;
  readonly #clock: Clock;
  #untold: readonly ElectionNews[];
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(queue: Pick<Queue, "announce">, clock: Clock, untold: readonly ElectionNews[]) {
    this.#queue = queue;
    this.#clock = clock;
    this.#untold = untold;
    this.#tellLater();
  }

  add(news: ElectionNews): void {
    this.#untold = [...this.#untold, news].slice(-MAX_UNTOLD);
    this.#tellLater();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  #tellLater(): void {
    if (this.#isStopped || this.#untold.length === 0) return;
    this.#timer ??= this.#clock.after(TRY_EVERY_MS, () => void this.#tell());
  }

  async #tell(): Promise<void> {
    for (const news of this.#untold) {
      const told = await this.#queue.announce(news.kind, news.data);
      if (!told.ok && told.error.kind === "retryable") break;
      this.#untold = this.#untold.filter((one) => one !== news);
    }
    this.#timer = undefined;
    this.#tellLater();
  }
}
