import type { TaskView } from "#api";
import { err, ok, type Result } from "#base";
import { type Api, interruptedFault } from "../connection/api.ts";
import { follow } from "../connection/follow.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { LiveRegion } from "../output/live-region.ts";
import { durationText, plural } from "../output/quantities.ts";
import type { Handler } from "../parsing/command.ts";
import { hasEnded, taskColumns } from "../tasks/task-text.ts";
import { boardLines, changeLine, isNews } from "../tasks/wait-board.ts";

/** Tasks read at the same time: quick for a thousand tasks, gentle on the node. */
const READS_AT_ONCE = 8;
/** Between redraws that only move the clock. */
const REDRAW_MS = 1_000;

export const taskWait: Handler<{ readonly timeout: number | undefined }> = async ({ args, options }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return showWait([...new Set(args)], options.timeout, api.value, context);
};

/** Waits for tasks, shows how they come along, then how they ended. @returns the exit code. */
export async function showWait(
  ids: readonly string[],
  timeoutMs: number | undefined,
  api: Api,
  context: CommandContext,
): Promise<number> {
  const { console, environment } = context;
  const waiting = new Waiting(ids, api, context);
  const done = await waiting.run(timeoutMs);
  if (!done.ok) return console.fail(done.error);
  const tasks = done.value;
  if (!console.json) console.table(tasks, taskColumns(environment.clock.nowMs()));
  const bad = tasks.filter(({ state }) => state !== "done");
  const [first] = bad;
  if (first === undefined) return EXIT.ok;
  console.hint(`Why: drover task show ${first.id}`);
  return EXIT.failed;
}

/** One wait. The state of a task is always read from the node; an event only says that it is worth reading again. */
class Waiting {
  readonly #ids: readonly string[];
  readonly #api: Api;
  readonly #context: CommandContext;
  readonly #tasks = new Map<string, TaskView>();
  readonly #region: LiveRegion | undefined;
  readonly #startedMs: number;
  readonly #ended = new AbortController();

  constructor(ids: readonly string[], api: Api, context: CommandContext) {
    this.#ids = ids;
    this.#api = api;
    this.#context = context;
    this.#startedMs = context.environment.clock.monotonicMs();
    this.#region =
      context.console.err.isTerminal && !context.console.json ? new LiveRegion(context.console) : undefined;
  }

  /** @returns the tasks in the order asked, all of them ended. */
  async run(timeoutMs: number | undefined): Promise<Result<readonly TaskView[], Fault>> {
    const { clock, interrupted } = this.#context.environment;
    const late = new AbortController();
    const timers = timeoutMs === undefined ? [] : [clock.after(timeoutMs, () => late.abort())];
    const redraw = this.#redrawLater();
    try {
      const fault = await this.#follow(AbortSignal.any([late.signal, interrupted, this.#ended.signal]));
      if (fault !== undefined) return err(fault);
      const open = this.#open();
      if (open.length === 0) return ok(this.#all());
      return err(
        interrupted.aborted ? interruptedFault(this.#action(open.length)) : this.#lateFault(open, timeoutMs ?? 0),
      );
    } finally {
      for (const timer of timers) timer.cancel();
      redraw.cancel();
      this.#ended.abort();
      this.#region?.clear();
    }
  }

  async #follow(signal: AbortSignal): Promise<Fault | undefined> {
    const stream = follow(this.#api, this.#action(this.#ids.length), {
      open: (client) => client.api.events.$get({ query: {} }),
      lastEventId: undefined,
      signal,
    });
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return next.value;
      const fault = await this.#take(next.value, signal);
      if (fault !== undefined || this.#isOver()) {
        await stream.return(undefined);
        return fault;
      }
    }
  }

  async #take(
    item: { readonly kind: string; readonly event?: { readonly event: string; readonly data: string } },
    signal: AbortSignal,
  ) {
    if (item.kind === "lost") {
      if (this.#region === undefined) this.#context.console.note("the connection to the node is lost; trying again");
      return undefined;
    }
    // After each connect everything is read: whatever happened in between is in it.
    if (item.kind === "connected" || item.event?.event === "gap") return this.#read(this.#open(), signal);
    const id = taskIdOf(item.event?.data ?? "");
    return id !== undefined && this.#open().includes(id) ? this.#read([id], signal) : undefined;
  }

  async #read(ids: readonly string[], signal: AbortSignal): Promise<Fault | undefined> {
    for (let index = 0; index < ids.length && !signal.aborted; index += READS_AT_ONCE) {
      const batch = ids.slice(index, index + READS_AT_ONCE);
      const answers = await Promise.all(
        batch.map((id) =>
          this.#api.ask(`wait for ${id}`, (client) =>
            client.api.tasks[":id"].$get({ param: { id: encodeURIComponent(id) } }),
          ),
        ),
      );
      for (const answer of answers) {
        if (answer.ok) this.#note(answer.value);
        // A node that just went away is waited for by the stream; a refusal will not change.
        else if (answer.error.exit !== EXIT.unreachable) return answer.error;
      }
    }
    this.#draw();
    return undefined;
  }

  #note(task: TaskView): void {
    const { console } = this.#context;
    const before = this.#tasks.get(task.id);
    this.#tasks.set(task.id, task);
    if (console.json) {
      if (hasEnded(task)) console.jsonLine(task);
    } else if (this.#region === undefined && isNews(before, task)) {
      console.note(changeLine(task));
    }
  }

  #draw(): void {
    const { clock } = this.#context.environment;
    this.#region?.show(boardLines(this.#all(), clock.monotonicMs() - this.#startedMs, this.#context.console.err));
  }

  #redrawLater(): { readonly cancel: () => void } {
    const { clock } = this.#context.environment;
    let timer: { readonly cancel: () => void } = { cancel: () => undefined };
    const again = (): void => {
      timer = clock.after(REDRAW_MS, () => {
        if (this.#tasks.size > 0) this.#draw();
        again();
      });
    };
    if (this.#region !== undefined) again();
    return { cancel: () => timer.cancel() };
  }

  #all(): readonly TaskView[] {
    return this.#ids.flatMap((id) => this.#tasks.get(id) ?? []);
  }

  #open(): readonly string[] {
    return this.#ids.filter((id) => {
      const task = this.#tasks.get(id);
      return task === undefined || !hasEnded(task);
    });
  }

  #isOver(): boolean {
    return this.#open().length === 0;
  }

  #action(count: number): string {
    return `wait for ${plural(count, "task")}`;
  }

  #lateFault(open: readonly string[], timeoutMs: number): Fault {
    return {
      failure: {
        kind: "retryable",
        code: "timed_out",
        message: `${plural(open.length, "task")} of ${this.#ids.length} ${open.length === 1 ? "has" : "have"} not ended after ${durationText(timeoutMs)}`,
        remedy: `They go on. See: drover task explain ${open[0] ?? "ID"}`,
      },
      exit: EXIT.timedOut,
    };
  }
}

function taskIdOf(data: string): string | undefined {
  return /"taskId":"(t_[0-9a-z]+)"/.exec(data)?.[1];
}
