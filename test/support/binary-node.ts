/** The compiled executable, run as a person or a service manager runs it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { killPid, processesWithin } from "./binary-processes.ts";
import { waitUntil } from "./wait-until.ts";

/** DROVER_BINARY names another executable to be tested, such as one of an earlier release. */
export const BINARY =
  process.env["DROVER_BINARY"] ??
  join(dirname(dirname(import.meta.dirname)), "dist", process.platform === "win32" ? "drover.exe" : "drover");

const READY_LIMIT_MS = 20_000;
const REQUEST_LIMIT_MS = 15_000;

export type Environment = Readonly<Record<string, string>>;

/** As whom commands run when drover runs as root, unless they are told otherwise. */
const NOBODY = 65_534;

/**
 * A folder for one scenario. Everything started in it has a TMPDIR below it (workers inherit <folder>/tmp, commands get
 * one of their attempt's own): by that its processes are found among those of other runs.
 */
export class BinaryWorld {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), "drover-binary-")));
  readonly temporary = join(this.path, "tmp");
  readonly state = join(this.path, "state");
  /** A workspace to be given to tasks: what their commands write in it is there to be looked at. */
  readonly workspace = join(this.path, "workspace");

  constructor() {
    mkdirSync(this.temporary);
    mkdirSync(this.workspace);
    if (process.getuid?.() === 0) chownSync(this.workspace, NOBODY, NOBODY);
  }

  /** What every process of this world gets; nothing of the environment of the tests. */
  get environment(): Environment {
    return { PATH: "/usr/local/bin:/usr/bin:/bin", TMPDIR: this.temporary, DROVER_HTTP_PORT: "0" };
  }

  processes(): ReturnType<typeof processesWithin> {
    return processesWithin("TMPDIR", this.path);
  }

  /** Ends all processes of this world, each by its pid, and removes its folder. */
  remove(): void {
    for (let round = 0; round < 20 && this.processes().length > 0; round += 1) {
      for (const { pid } of this.processes()) killPid(pid);
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs the executable to its end. */
export function runBinary(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Environment; readonly input?: string; readonly limitMs?: number },
): Ended {
  const { status, stdout, stderr, error } = spawnSync(BINARY, args, {
    cwd: options.cwd,
    env: options.env ?? {},
    input: options.input ?? "",
    encoding: "utf8",
    timeout: options.limitMs ?? 30_000,
    killSignal: "SIGKILL",
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error !== undefined) throw error;
  return { code: status, stdout, stderr };
}

export type Answer = {
  readonly status: number;
  readonly type: string;
  /** Parsed when it is JSON, else the text. */
  readonly body: unknown;
};

/** A node that is ready. */
export type BinaryNode = {
  readonly pid: number;
  readonly url: string;
  readonly token: string;
  /** From spawn to ready. */
  readonly startedInMs: number;
  readonly request: (method: string, path: string, body?: unknown, headers?: Environment) => Promise<Answer>;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
  /** SIGTERM; @returns the exit code. */
  readonly stop: () => Promise<number | null>;
  readonly exited: Promise<void>;
  readonly log: () => string;
};

export type Started =
  | { readonly kind: "ready"; readonly node: BinaryNode }
  | {
      readonly kind: "ended";
      readonly code: number | null;
      readonly signal: string | null;
      readonly stdout: string;
      readonly stderr: string;
    };

export type StartOptions = {
  readonly env?: Environment;
  readonly state?: string;
  /** With a watchdog: what is started, stopped and killed then is the watchdog, and `nodePid` its node. */
  readonly watched?: boolean;
  /** For it to be ready, where the machine has much else to do. */
  readonly readyLimitMs?: number;
  /** Another program with the same command line, instead of the executable. */
  readonly command?: readonly string[];
};

let started = 0;

/** Starts a node without a watchdog in a world and waits until it is ready, or has ended without being so. */
export async function tryStartNode(world: BinaryWorld, options: StartOptions = {}): Promise<Started> {
  const state = options.state ?? world.state;
  const [program = BINARY, ...first] = options.command ?? [BINARY];
  started += 1;
  const paths = ["out", "err"].map((name) => join(world.path, `node-${started}.${name}`));
  const [stdout = "", stderr = ""] = paths;
  const [out, err] = [openSync(stdout, "w"), openSync(stderr, "w")];
  const beganMs = performance.now();
  const child = spawn(program, [...first, options.watched === true ? "up" : "node", "--json", "--state", state], {
    cwd: world.path,
    env: { ...world.environment, ...options.env },
    stdio: ["ignore", out, err],
  });
  closeSync(out);
  closeSync(err);
  const exited = once(child, "exit").then(() => undefined);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const url = await waitUntil(
    "the node is ready or has ended",
    () =>
      (options.watched === true ? urlIn(state, "watchdog.json", child.pid) : urlOf(state, child.pid)) ??
      (hasEnded() ? "" : undefined),
    options.readyLimitMs ?? READY_LIMIT_MS,
  );
  if (url === "") {
    await exited;
    const { exitCode: code, signalCode: signal } = child;
    return { kind: "ended", code, signal, stdout: readFileSync(stdout, "utf8"), stderr: readFileSync(stderr, "utf8") };
  }
  return { kind: "ready", node: runningNode(child, url, state, stderr, performance.now() - beganMs, exited) };
}

/** As {@link tryStartNode}; a node that ends instead fails the test with what it said. */
export async function startBinaryNode(world: BinaryWorld, options: StartOptions = {}): Promise<BinaryNode> {
  const result = await tryStartNode(world, options);
  if (result.kind === "ready") return result.node;
  throw new Error(`the node ended (${result.signal ?? result.code}) instead of getting ready: ${result.stderr}`);
}

function runningNode(
  child: ChildProcess,
  url: string,
  state: string,
  log: string,
  startedInMs: number,
  exited: Promise<void>,
): BinaryNode {
  const token = readFileSync(join(state, "token"), "utf8").trim();
  return {
    pid: child.pid ?? 0,
    url,
    token,
    startedInMs,
    request: (method, path, body, headers) => request({ url, token, method, path, body, headers }),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
      return child.exitCode;
    },
    exited,
    log: () => readFileSync(log, "utf8"),
  };
}

/** A string is sent as it is, anything else as JSON. */
async function request(call: {
  readonly url: string;
  readonly token: string;
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  readonly headers: Environment | undefined;
}): Promise<Answer> {
  const { body } = call;
  const response = await fetch(`${call.url}${call.path}`, {
    method: call.method,
    headers: { authorization: `Bearer ${call.token}`, "content-type": "application/json", ...call.headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
  });
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  return { status: response.status, type, body: type.includes("json") ? JSON.parse(text) : text };
}

/** The address, once the node with this pid has written it. */
export function urlOf(state: string, pid: number | undefined): string | undefined {
  return urlIn(state, "node.json", pid);
}

/** The node's process, as it has written it itself. */
export function nodePidOf(state: string): number | undefined {
  const pid = saidIn(state, "node.json")?.["pid"];
  return typeof pid === "number" ? pid : undefined;
}

function urlIn(state: string, file: string, pid: number | undefined): string | undefined {
  const said = saidIn(state, file);
  if (said === undefined || (pid !== undefined && said["pid"] !== pid)) return undefined;
  return typeof said["url"] === "string" ? said["url"] : undefined;
}

function saidIn(state: string, file: string): Readonly<Record<string, unknown>> | undefined {
  const path = join(state, file);
  if (!existsSync(path)) return undefined;
  try {
    const said: unknown = JSON.parse(readFileSync(path, "utf8"));
    // `as`: any object may be read by name.
    return typeof said === "object" && said !== null ? (said as Record<string, unknown>) : undefined;
  } catch {
    return undefined; // It is being replaced or removed at this moment.
  }
}
