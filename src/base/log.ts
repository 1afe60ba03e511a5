import type { Clock } from "./clock.ts";
import { redactText, redactValue } from "./redact.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFormat = "json" | "human";
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes what happened. Secrets never reach the sink: every message and field is redacted first. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each of its lines. */
  with(fields: LogFields): Logger;
}

export type LoggerOptions = {
  /** Read for each line: it may change while the process runs. */
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly clock: Clock;
  /** Takes one whole line, without its newline. */
  readonly write: (line: string) => void;
};

export function createLogger(options: LoggerOptions, base: LogFields = {}): Logger {
  const emit = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(options.level)) return;
    const at = new Date(options.clock.nowMs()).toISOString();
    // `as`: redactValue keeps the shape of an object.
    const clean = redactValue({ ...base, ...fields }) as LogFields;
    const line = { at, level, message: redactText(message) };
    options.write(
      options.format === "json"
        ? JSON.stringify({ ...line, ...clean, ...line }) // the line's own names come first and cannot be taken
        : humanLine(at, level, line.message, clean),
    );
  };
  return {
    debug: (message, fields) => emit("debug", message, fields),
    info: (message, fields) => emit("info", message, fields),
    warn: (message, fields) => emit("warn", message, fields),
    error: (message, fields) => emit("error", message, fields),
    with: (fields) => createLogger(options, { ...base, ...fields }),
  };
}

/** A logger that drops everything; for tests and for commands that print for themselves. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  with: () => silentLogger,
};

function humanLine(at: string, level: LogLevel, message: string, fields: LogFields): string {
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${scalar(value)}`);
  return printable([at.slice(11, 23), level.toUpperCase().padEnd(5), message, ...pairs].join(" "));
}

/** One line stays one line, and no text of a task steers the reader's terminal. */
function printable(line: string): string {
  return line.replace(/\p{Cc}/gu, (control) => JSON_ESCAPES[control] ?? `\\u${hex(control)}`);
}

const JSON_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function hex(control: string): string {
  return control.charCodeAt(0).toString(16).padStart(4, "0");
}

function scalar(value: unknown): string {
  if (typeof value === "string") return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  return typeof value === "undefined" ? "undefined" : JSON.stringify(value);
}
