import { type CommandId, type JsonValue, ok, type Result } from "#base";
import type { Outbox, OutboxAnswer, OutboxRow } from "./ports.ts";
import type { FleetCommand } from "./wire.ts";

type Row = OutboxRow & { answeredEpoch: number | null; result: JsonValue; isSettled: boolean };

/** An outbox for tests and simulations; nothing of it outlives its process. */
export class MemoryOutbox implements Outbox {
  readonly #rows = new Map<CommandId, Row>();
  #n = 0;

  append(command: FleetCommand): Result<void> {
    this.#n += 1;
    if (!this.#rows.has(command.id)) {
      this.#rows.set(command.id, { n: this.#n, command, answeredEpoch: null, result: null, isSettled: false });
    }
    return ok(undefined);
  }

  waiting(limit: number): Result<readonly OutboxRow[]> {
    const rows = [...this.#rows.values()].filter(({ answeredEpoch }) => answeredEpoch === null);
    return ok(
      rows
        .sort((a, b) => a.n - b.n)
        .slice(0, limit)
        .map(({ n, command }) => ({ n, command })),
    );
  }

  unshown(limit: number): Result<readonly OutboxRow[]> {
    const rows = [...this.#rows.values()].filter(({ isSettled, result }) => !isSettled && !isRefusal(result));
    return ok(
      rows
        .sort((a, b) => b.n - a.n)
        .slice(0, limit)
        .map(({ n, command }) => ({ n, command })),
    );
  }

  answered(epoch: number, answers: readonly OutboxAnswer[]): Result<void> {
    for (const { id, result } of answers) {
      const row = this.#rows.get(id);
      if (row !== undefined) Object.assign(row, { answeredEpoch: epoch, result });
    }
    return ok(undefined);
  }

  answer(id: CommandId): Result<JsonValue | undefined> {
    const row = this.#rows.get(id);
    return ok(row === undefined || row.answeredEpoch === null ? undefined : row.result);
  }

  unsettled(limit: number): Result<readonly { readonly id: CommandId; readonly epoch: number }[]> {
    return ok(
      [...this.#rows.values()]
        .flatMap(({ command, answeredEpoch, isSettled }) =>
          answeredEpoch === null || isSettled ? [] : [{ id: command.id, epoch: answeredEpoch }],
        )
        .slice(0, limit),
    );
  }

  settle(ids: readonly CommandId[]): Result<void> {
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row !== undefined && row.answeredEpoch !== null) row.isSettled = true;
    }
    return ok(undefined);
  }

  unsettle(): Result<void> {
    for (const row of this.#rows.values()) row.isSettled = false;
    return ok(undefined);
  }

  forget(ids: readonly CommandId[]): Result<void> {
    for (const id of ids) this.#rows.delete(id);
    return ok(undefined);
  }

  reopen(ids: readonly CommandId[]): Result<void> {
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row !== undefined) Object.assign(row, { answeredEpoch: null, result: null, isSettled: false });
    }
    return ok(undefined);
  }

  count(): Result<{ readonly waiting: number; readonly unsettled: number }> {
    const rows = [...this.#rows.values()].filter(({ isSettled }) => !isSettled);
    const waiting = rows.filter(({ answeredEpoch }) => answeredEpoch === null).length;
    return ok({ waiting, unsettled: rows.length - waiting });
  }
}

function isRefusal(result: JsonValue): boolean {
  return typeof result === "object" && result !== null && "ok" in result && result["ok"] === false;
}
