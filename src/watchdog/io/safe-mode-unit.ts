/** Safe mode as the watchdog has it: on or off, since when and why. */
import { join } from "node:path";
import { type Clock, describeFailure, type Logger } from "#base";
import type { SafeModeFacts } from "../safe-mode.ts";
import { type SafeModeOptions, serveSafeMode } from "./safe-mode-server.ts";

type Parts = {
  readonly stateDir: string;
  readonly hosts: ReadonlySet<string>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Null where sockets cannot be shared: then nobody answers on the port, and `watchdog.json` alone says so. */
  readonly socket: () => { readonly fd: number } | null;
  readonly facts: () => Omit<SafeModeFacts, "sinceMs" | "reason">;
  readonly act: SafeModeOptions["act"];
};

export class SafeMode {
  readonly #parts: Parts;
  #on: { readonly sinceMs: number; readonly reason: string } | undefined;
  #end: (() => Promise<void>) | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Why it is on; null when it is off. */
  get reason(): string | null {
    return this.#on?.reason ?? null;
  }

  enter(reason: string): void {
    const { stateDir, hosts, clock, logger, socket, facts, act } = this.#parts;
    this.#on = { sinceMs: clock.nowMs(), reason };
    const on = this.#on;
    const shared = socket();
    if (shared === null) return;
    const tokenPath = join(stateDir, "token");
    const served = serveSafeMode({ socket: shared, hosts, tokenPath, act, facts: () => ({ ...facts(), ...on }) });
    if (served.ok) this.#end = served.value;
    else logger.error("safe mode cannot answer", { failure: describeFailure(served.error) });
  }

  /** Does nothing when it is off. Connections that wait then are the node's. */
  async leave(): Promise<void> {
    const end = this.#end;
    this.#on = undefined;
    this.#end = undefined;
    await end?.();
  }
}
