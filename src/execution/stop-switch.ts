import type { StopRequest } from "./outcome.ts";

/** A request to stop that can be made once and noticed by everyone; later requests change nothing. */
export class StopSwitch {
  readonly requested: Promise<StopRequest>;
  #current: StopRequest | undefined;
  readonly #resolve: (request: StopRequest) => void;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<StopRequest>();
    this.requested = promise;
    this.#resolve = resolve;
  }

  get current(): StopRequest | undefined {
    return this.#current;
  }

  request(request: StopRequest): void {
    if (this.#current !== undefined) return;
    this.#current = request;
    this.#resolve(request);
  }
}
