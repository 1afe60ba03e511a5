import type { Result } from "#base";
import type { Api } from "../connection/api.ts";
import { PATIENCE_MS } from "../connection/follow.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { Screen } from "../output/screen.ts";
import type { Handler } from "../parsing/command.ts";
import { frameLines } from "../top/frame.ts";
import { readSnapshot, type Snapshot } from "../top/snapshot.ts";

const USUAL_INTERVAL_MS = 2_000;

export const top: Handler<{
  readonly interval: number | undefined;
  readonly count: number | undefined;
}> = async ({ options }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const first = await readSnapshot(api.value);
  if (environment.interrupted.aborted) return EXIT.ok;
  // Before a screen is drawn at all, a wrong address is a mistake and not an outage.
  if (!first.ok) return console.fail(first.error);
  const isLive = !console.json && console.out.isTerminal && environment.env["TERM"] !== "dumb";
  const watch = new Watch(context, api.value, first.value, isLive ? new Screen(console) : undefined);
  const count = options.count ?? (isLive || console.json ? Number.POSITIVE_INFINITY : 1);
  const fault = await watch.run(options.interval ?? USUAL_INTERVAL_MS, count);
  return fault === undefined ? EXIT.ok : console.fail(fault);
};

/** Frames until a person stops it, whoever reads has left, or there were enough. */
class Watch {
  readonly #context: CommandContext;
  readonly #api: Api;
  /** Undefined where frames are printed one after the other. */
  readonly #screen: Screen | undefined;
  #snapshot: Snapshot;
  #before: Snapshot | undefined;
  #readAtMs: number;
  #lost: Fault | undefined;

  constructor(context: CommandContext, api: Api, first: Snapshot, screen: Screen | undefined) {
    this.#context = context;
    this.#api = api;
    this.#snapshot = first;
    this.#readAtMs = context.environment.clock.monotonicMs();
    this.#screen = screen;
  }

  /** @returns why it ended before its time. */
  async run(intervalMs: number, count: number): Promise<Fault | undefined> {
    const { console, environment } = this.#context;
    const { clock, interrupted } = environment;
    this.#screen?.enter();
    const endResizing = this.#screen === undefined ? () => undefined : console.onResize(() => this.#show());
    try {
      for (let shown = 1; ; shown += 1) {
        this.#show();
        if (shown >= count) return undefined;
        await pause(clock, intervalMs, interrupted);
        if (this.#isOver()) return undefined;
        const read = await readSnapshot(this.#api);
        if (this.#isOver()) return undefined;
        const fault = this.#take(read);
        if (fault !== undefined) return fault;
      }
    } finally {
      endResizing();
      this.#screen?.leave();
    }
  }

  #isOver(): boolean {
    const { console, environment } = this.#context;
    return environment.interrupted.aborted || console.isClosed;
  }

  /** @returns the fault of a node that stays away, where nobody watches that it does. */
  #take(read: Result<Snapshot, Fault>): Fault | undefined {
    const { console, environment } = this.#context;
    if (read.ok) {
      this.#before = this.#snapshot;
      this.#snapshot = read.value;
      this.#readAtMs = environment.clock.monotonicMs();
      this.#lost = undefined;
      return undefined;
    }
    const { failure } = read.error;
    if (this.#screen === undefined) {
      if (environment.clock.monotonicMs() - this.#readAtMs > PATIENCE_MS) return read.error;
      if (this.#lost === undefined) console.note(`${failure.message}; trying again`);
    }
    this.#lost = read.error;
    return undefined;
  }

  #show(): void {
    const { console, environment } = this.#context;
    // Where nothing is drawn over, nothing is shown twice.
    if (this.#screen === undefined && this.#lost !== undefined) return;
    if (console.json) {
      console.jsonLine(this.#snapshot);
      return;
    }
    const facts = {
      snapshot: this.#snapshot,
      before: this.#before,
      lost: this.#lost?.failure.message,
      nowMs: environment.clock.nowMs(),
    };
    const terminal = console.screen;
    if (this.#screen !== undefined) {
      // In the last column the cursor waits on the letter itself, and erasing the rest of the line would take it.
      const columns = terminal.columns === undefined ? undefined : terminal.columns - 1;
      this.#screen.draw(frameLines(facts, { ...terminal, columns }));
      return;
    }
    if (this.#before !== undefined) console.line();
    for (const line of frameLines(facts, { ...terminal, rows: undefined })) console.line(line);
  }
}
