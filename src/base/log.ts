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
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly clock: Clock;
  /** Takes one whole line, without its newline. */
  readonly write: (line: string) => void;
};

export function createLogger(options: LoggerOptions, base: LogFields = {}): Logger {
  const threshold = LOG_LEVELS.indexOf(options.level);
  const emit = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    if (LOG_LEVELS.indexOf(level) < threshold) return;
    const at = new Date(options.clock.nowMs()).toISOString();
    // `as`: redactValue keeps the shape of an object.
    const clean = redactValue({ ...base, ...fields }) as LogFields;
    options.write(
      options.format === "json"
        ? JSON.stringify({ at, level, message: redactText(message), ...clean })
        : humanLine(at, level, redactText(message), clean),
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
  return [at.slice(11, 23), level.toUpperCase().padEnd(5), message, ...pairs].join(" ");
}

function scalar(value: unknown): string {
  if (typeof value === "string") return /[\s"=]/.test(value) ? JSON.stringify(value) : value;
  return typeof value === "undefined" ? "undefined" : JSON.stringify(value);
}
