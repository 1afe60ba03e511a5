import { parseRequirements } from "#api";
import type { Logger, NodeId } from "#base";
import type { ExecutorKind } from "#execution";
import { type AttemptReport, type ClaimedTask, Consumer, type Queue } from "#queue";

export type ConsumersOptions = {
  readonly queue: Queue;
  readonly holder: NodeId;
  readonly logger: Logger;
  readonly shellConcurrency: number;
  /** Attempts that ask models; 0: none are taken. */
  readonly modelConcurrency: number;
  /** Whether this node can carry out what has these requirements now. */
  readonly accepts: (requirements: string) => boolean;
  readonly run: (task: ClaimedTask) => Promise<AttemptReport | null>;
};

/**
 * Pulls commands and prompts apart from each other: a command takes a processor, a prompt mostly waits for a model, so
 * neither may take the other's places.
 */
export class Consumers {
  readonly #shell: Consumer;
  readonly #model: Consumer | undefined;
  readonly #shellTotal: number;
  readonly #modelTotal: number;

  constructor({ shellConcurrency, modelConcurrency, accepts, ...options }: ConsumersOptions) {
    this.#shellTotal = shellConcurrency;
    this.#modelTotal = modelConcurrency;
    const isShell = (requirements: string): boolean => parseRequirements(requirements)?.executor === "shell";
    this.#shell = new Consumer({
      ...options,
      concurrency: shellConcurrency,
      accepts: (requirements) => isShell(requirements) && accepts(requirements),
    });
    if (modelConcurrency > 0) {
      this.#model = new Consumer({
        ...options,
        concurrency: modelConcurrency,
        accepts: (requirements) => !isShell(requirements) && accepts(requirements),
      });
    }
  }

  start(): void {
    this.#shell.start();
    this.#model?.start();
  }

  /** Attempts of each kind that this node can run at once, and how many more it could begin now. */
  places(): { readonly [Kind in "shell" | "model"]: { readonly free: number; readonly total: number } } {
    const of = (total: number, active = 0) => ({ free: Math.max(0, total - active), total });
    return { shell: of(this.#shellTotal, this.#shell.active), model: of(this.#modelTotal, this.#model?.active) };
  }

  /** Counts an attempt that an earlier node began. */
  adopt(executor: ExecutorKind, attempt: Promise<unknown>): void {
    const consumer = executor === "shell" ? this.#shell : (this.#model ?? this.#shell);
    consumer.adopt(attempt);
  }

  /** Endpoints came or went: tasks that nobody could take may be taken now. */
  modelsChanged(): void {
    this.#model?.look();
  }

  /** Takes no more work. @returns when every attempt has been answered. */
  async stop(): Promise<void> {
    await Promise.all([this.#shell.stop(), this.#model?.stop()]);
  }
}
