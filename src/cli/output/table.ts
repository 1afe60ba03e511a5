import { paint, type Terminal, type Tone } from "./terminal.ts";
import { oneLine, padEnd, padStart, truncate, widthOf } from "./text.ts";

/** One column: its heading and what a row shows in it. */
export type Column<Row> = {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly tone?: (row: Row) => Tone | undefined;
  readonly align?: "right";
  /** May be cut with an ellipsis when the terminal is narrow. */
  readonly shrinks?: boolean;
  /** May be left out when the terminal is narrow; the last such column goes first. */
  readonly optional?: boolean;
};

const GAP = "  ";
/** A shrinking column keeps at least this much before others are left out. */
const LEAST_SHRUNK = 16;
/** And this much before columns are cut that should be whole. */
const LEAST_READABLE = 6;

type Measured<Row> = { readonly column: Column<Row>; readonly cells: readonly string[]; width: number };

/**
 * @returns lines of a table that fits the terminal. Without a terminal every value is whole, so that a pipe sees all.
 * Cells are made safe (see {@link oneLine}).
 */
export function renderTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  terminal: Terminal,
): readonly string[] {
  const measured = fit(
    columns.map((column) => {
      const cells = rows.map((row) => oneLine(column.value(row)));
      const width = Math.max(widthOf(column.title), ...cells.map(widthOf));
      return { column, cells, width };
    }),
    terminal.columns,
  );
  const last = measured.at(-1)?.column;
  const show = (column: Column<Row>, text: string, width: number, tone: Tone | undefined): string =>
    paint(terminal, tone, place(column, text, width, terminal, column === last));
  const lines = [line(measured.map(({ column, width }) => show(column, column.title, width, "strong")))];
  if (terminal.unicode) lines.push(paint(terminal, "faint", measured.map(({ width }) => "─".repeat(width)).join(GAP)));
  for (const [index, row] of rows.entries()) {
    lines.push(
      line(measured.map(({ column, cells, width }) => show(column, cells[index] ?? "", width, column.tone?.(row)))),
    );
  }
  return lines;
}

function line(cells: readonly string[]): string {
  return cells.join(GAP).trimEnd();
}

/** The last column is not padded: blanks at the end of a line are noise, coloured ones more so. */
function place<Row>(column: Column<Row>, text: string, width: number, terminal: Terminal, isLast: boolean): string {
  const cut = truncate(text, width, terminal.unicode);
  if (column.align === "right") return padStart(cut, width);
  return isLast ? cut : padEnd(cut, width);
}

function total(measured: readonly Measured<never>[]): number {
  return measured.reduce((sum, { width }) => sum + width, 0) + GAP.length * Math.max(0, measured.length - 1);
}

/** Leaves out optional columns and cuts shrinking ones until the table fits; a very narrow terminal cuts any column. */
function fit<Row>(measured: readonly Measured<Row>[], columns: number | undefined): readonly Measured<Row>[] {
  if (columns === undefined) return measured;
  let kept = [...measured];
  const shrinkable = (): number =>
    kept.reduce((sum, { column, width }) => sum + (column.shrinks === true ? Math.max(0, width - LEAST_SHRUNK) : 0), 0);
  while (total(kept) - shrinkable() > columns) {
    const victim = kept.findLast(({ column }) => column.optional === true);
    if (victim === undefined) break;
    kept = kept.filter((one) => one !== victim);
  }
  const excess = (): number => total(kept) - columns;
  const shrinking = kept.filter(({ column }) => column.shrinks === true);
  narrow(shrinking, LEAST_SHRUNK, excess);
  // An id that is cut is of no use, a title still is.
  narrow(shrinking, LEAST_READABLE, excess);
  narrow(kept, 1, excess);
  return kept;
}

/** Takes columns one by one from the widest until nothing is in excess or all are at `least`. */
function narrow<Row>(candidates: Measured<Row>[], least: number, excess: () => number): void {
  while (excess() > 0) {
    const widest = candidates.reduce<Measured<Row> | undefined>(
      (best, one) => (one.width > least && (best === undefined || one.width > best.width) ? one : best),
      undefined,
    );
    if (widest === undefined) return;
    widest.width -= 1;
  }
}
