/** The command line against the real API over a queue in memory; nothing leaves the process. */
import { expect } from "vitest";
import { err, ok, refused } from "#base";
import { type CliEnvironment, type LocalCommands, runCli } from "#cli";
import { createHarness, type Harness, type HarnessOptions, TOKEN } from "../api/api-harness.ts";

export type Outcome = { readonly exit: number; readonly stdout: string; readonly stderr: string };

export type CliOptions = HarnessOptions & {
  /** Width of the terminal that both outputs are; without it they are pipes. */
  readonly columns?: number;
  /** And its height. */
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly environment?: Partial<CliEnvironment>;
  readonly local?: Partial<LocalCommands>;
};

export type Cli = {
  readonly harness: Harness;
  readonly run: (...argv: readonly string[]) => Promise<Outcome>;
  /** As `run`, while it runs: what it printed so far, and Ctrl-C. */
  readonly start: (...argv: readonly string[]) => {
    readonly done: Promise<Outcome>;
    readonly seen: Seen;
    readonly interrupt: () => void;
    /** The window gets this width. */
    readonly resize: (columns: number) => void;
    /** Whoever read the standard output leaves. */
    readonly leave: () => void;
  };
};

export type Seen = { readonly stdout: () => string; readonly stderr: () => string };

export const STATE = "/h/.local/state/drover";
const NODE_FILE = JSON.stringify({ url: "http://127.0.0.1:7433", pid: 42, startedAtMs: 1 });

export function createCli(options: CliOptions = {}): Cli {
  const harness = createHarness(options);
  const files: Readonly<Record<string, string>> = {
    [`${STATE}/node.json`]: NODE_FILE,
    [`${STATE}/token`]: `${TOKEN}\n`,
    ...options.files,
  };
  const start: Cli["start"] = (...argv) => {
    const out = recorder(options);
    const errors = recorder(options);
    const stop = new AbortController();
    const environment: CliEnvironment = {
      stdout: out.output,
      stderr: errors.output,
      env: { HOME: "/h", LANG: "C.UTF-8", ...options.env },
      cwd: "/srv/here",
      clock: harness.clock,
      version: "1.2.3",
      commit: "0123abc",
      target: "linux-x64",
      isRoot: false,
      interrupted: stop.signal,
      fetch: async (url, init) => harness.api.app.request(url, init, {}),
      directoryExists: () => false,
      readText: async (path) => {
        const text = files[path];
        return text === undefined ? err(refused("not_found", `${path} does not exist`)) : ok(text);
      },
      configuredStateDir: async () => ok(undefined),
      local: { ...noLocal, ...options.local },
      ...options.environment,
    };
    const done = runCli(argv, environment).then((exit) => ({ exit, stdout: out.text(), stderr: errors.text() }));
    const seen = { stdout: out.text, stderr: errors.text };
    return { done, seen, interrupt: () => stop.abort(), resize: out.resize, leave: out.leave };
  };
  return { harness, start, run: (...argv) => start(...argv).done };
}

function recorder({ columns, rows = 24 }: Pick<CliOptions, "columns" | "rows">) {
  const decoder = new TextDecoder();
  const listeners = new Set<() => void>();
  let text = "";
  let width = columns;
  let isClosed = false;
  return {
    text: () => text,
    resize: (given: number) => {
      width = given;
      for (const listener of listeners) listener();
    },
    leave: () => {
      isClosed = true;
    },
    output: {
      isTerminal: columns !== undefined,
      get columns() {
        return width;
      },
      rows: columns === undefined ? undefined : rows,
      get isClosed() {
        return isClosed;
      },
      onResize: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      write: (piece: string | Uint8Array) => {
        text += typeof piece === "string" ? piece : decoder.decode(piece);
      },
    },
  };
}

const unexpected = (): Promise<number> => Promise.reject(new Error("this command was not expected"));
const noLocal: LocalCommands = {
  up: unexpected,
  node: unexpected,
  run: unexpected,
  restore: unexpected,
  repoScan: unexpected,
  improvementScan: unexpected,
  configShow: unexpected,
  configCheck: unexpected,
  worker: unexpected,
  inventory: unexpected,
  diagnose: async () => [],
  selftest: unexpected,
  auditVerify: async () => Promise.reject(new Error("this command was not expected")),
  stateMark: unexpected,
  releaseKey: unexpected,
};

/** @returns the JSON object that a text is. */
export function parsed(text: string): Record<string, unknown> {
  return JSON.parse(text) as Record<string, unknown>; // `as`: the documents of the API are objects
}

/** @returns the JSON objects that the lines of a text are. */
export function parsedLines(text: string): readonly Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parsed);
}

/** Matches a text that contains `part`, inside a larger pattern. */
export function containing(part: string): unknown {
  return expect.stringContaining(part);
}

/** @returns the rows of a page that a text is. */
export function itemsOf(text: string): readonly Record<string, unknown>[] {
  return parsed(text)["items"] as readonly Record<string, unknown>[]; // `as`: every page of the API has items
}
