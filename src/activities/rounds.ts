import type { Clock, Logger, Timer } from "#base";
import type { Activity } from "./activity.ts";

/** What is awaited takes minutes; a few seconds more or less are none. */
const LOOK_AGAIN_MS = 5_000;

export type RoundsParts = { readonly clock: Pick<Clock, "after">; readonly logger: Logger };

/** An activity that goes in rounds, one at a time, until nothing is awaited or its state is left. */
export abstract class Rounds implements Activity {
  readonly #name: string;
  readonly #with: RoundsParts;
  /** Of one stay in the state, so that what belongs to an earlier one decides nothing. */
  #stay: object | undefined;
  #isDone = false;
  #running: Promise<void> = Promise.resolve();
  #next: Timer | undefined;

  /** @param name for the log */
  constructor(name: string, parts: RoundsParts) {
    this.#name = name;
    this.#with = parts;
  }

  /**
   * One round.
   * @param isFirst of this stay in the state
   * @param goesOn false once the state is left
   * @returns whether something is awaited, so that another round follows
   */
  protected abstract go(isFirst: boolean, goesOn: () => boolean): Promise<boolean>;

  get isDone(): boolean {
    return this.#isDone;
  }

  begin(_deadlineMs: number): void {
    if (this.#stay !== undefined) return;
    const stay = {};
    this.#stay = stay;
    this.#isDone = false;
    this.#turn(true, () => this.#stay === stay);
  }

  end(): void {
    this.#stay = undefined;
    this.#next?.cancel();
  }

  /** For a stop of the node: settles when the round that runs is over. */
  async stop(): Promise<void> {
    this.end();
    await this.#running;
  }

  #turn(isFirst: boolean, goesOn: () => boolean): void {
    const { clock, logger } = this.#with;
    this.#running = this.#running
      .then(() => this.go(isFirst, goesOn))
      .catch((cause: unknown) => {
        logger.error(`${this.#name} failed unexpectedly`, { error: cause });
        return false;
      })
      .then((waits) => {
        if (!goesOn()) return;
        if (waits) this.#next = clock.after(LOOK_AGAIN_MS, () => this.#turn(false, goesOn));
        else this.#isDone = true;
      });
  }
}
