/** One after another for each name: two that change the same repository would each undo what the other did. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Waits until all that asked before have ended. @returns a function that lets the next one begin; twice is no fault */
  async take(name: string): Promise<() => void> {
    const before = this.#last.get(name);
    const turn = Promise.withResolvers<void>();
    this.#last.set(name, turn.promise);
    await before;
    return () => {
      turn.resolve();
      if (this.#last.get(name) === turn.promise) this.#last.delete(name);
    };
  }

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const done = await this.take(name);
    try {
      return await work();
    } finally {
      done();
    }
  }
}
