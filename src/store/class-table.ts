import { type Connection, number, text } from "./connection.ts";

/** Few classes cost nothing, so nobody looks which of them are used. */
const MAX_CLASSES_UNSEEN = 64;
/** Tasks looked at with each call of `prune`: 5 ms of the writer. */
const WALK_ROWS = 4_096;

const WALK = "SELECT id, class_id FROM task WHERE id > ? ORDER BY id LIMIT ?";

/** A walk along the tasks: where it is, and the classes that no task had so far. */
type Walk = { after: string; readonly unseen: Set<number> };

/**
 * The distinct requirements of tasks, each with a number. They are read with every claim, so those that no task has
 * any more are forgotten. No index leads from a class to its tasks (it would slow every submission down), so they are
 * found by walking along all tasks, some at a time. That is sound: a task's class never changes, and a class that is
 * given to a new task while the walk goes on counts as seen.
 */
export class ClassTable {
  readonly #connection: Connection;
  #texts = new Map<number, string>();
  #ids = new Map<string, number>();
  #lastId = 0;
  #walk: Walk | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  all(): ReadonlyMap<number, string> {
    return this.#texts;
  }

  /** Numbering a text is harmless when the command is refused later, so it does not count as a write. */
  idOf(requirements: string): number {
    const known = this.#ids.get(requirements);
    if (known !== undefined) {
      this.#walk?.unseen.delete(known);
      return known;
    }
    this.#lastId += 1;
    const id = this.#lastId;
    this.#connection.prepare("INSERT INTO task_class (id, requirements) VALUES (?, ?)").run([id, requirements]);
    this.#texts.set(id, requirements);
    this.#ids.set(requirements, id);
    return id;
  }

  /** Goes on with the walk; at its end, removes the classes that no task has. Tasks must have been written. */
  prune(): void {
    if (this.#walk === undefined && this.#texts.size <= MAX_CLASSES_UNSEEN) return;
    this.#walk ??= { after: "", unseen: new Set(this.#texts.keys()) };
    const walk = this.#walk;
    const rows = this.#connection.prepare(WALK).all([walk.after, WALK_ROWS]);
    for (const row of rows) walk.unseen.delete(number(row, 1));
    const last = rows.at(-1);
    if (last !== undefined && rows.length === WALK_ROWS) {
      walk.after = text(last, 0);
      return;
    }
    for (const id of walk.unseen) this.#remove(id);
    this.#walk = undefined;
  }

  reload(): void {
    const rows = this.#connection.prepare("SELECT id, requirements FROM task_class ORDER BY id").all([]);
    this.#texts = new Map(rows.map((row) => [number(row, 0), text(row, 1)]));
    this.#ids = new Map(rows.map((row) => [text(row, 1), number(row, 0)]));
    const last = rows.at(-1);
    this.#lastId = last === undefined ? 0 : number(last, 0);
    this.#walk = undefined;
  }

  #remove(id: number): void {
    this.#connection.prepare("DELETE FROM task_class WHERE id = ?").run([id]);
    const requirements = this.#texts.get(id);
    this.#texts.delete(id);
    if (requirements !== undefined) this.#ids.delete(requirements);
  }
}
