/**
 * Attempts at prompts as a node has them: a worker pool with real worker processes, the socket on which they ask, and
 * the real inference service over servers of the test. Only queue and routing are left out.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { silentLogger } from "#base";
import {
  type AttemptLimits,
  type AttemptResult,
  checkpointPathOf,
  type LaunchRequest,
  type LoopLimits,
  logPathOf,
  type ModelPlan,
  ModelSocket,
  modelSocketPath,
  type Progress,
  type SandboxPlan,
  socketPathFor,
  TIER_LIMITS,
} from "#execution";
import type { EndpointKind, EndpointState } from "#hw";
import { type ChatModel, DEFAULT_INFERENCE_LIMITS, type InferencePorts } from "#inference";
import { AttemptFolder } from "../../src/execution/io/attempt-folder.ts";
import { endpointState, type InferenceWorld, inferenceWorld } from "./inference-world.ts";
import { bodyField, type RecordedRequest } from "./models/recorded-request.ts";
import { attemptOf, type Node, type RecordingObserver, startNode } from "./pool-world.ts";
import { realClock } from "./real-clock.ts";
import { waitUntil } from "./wait-until.ts";

/** A whole attempt on a machine of two cores that does other things too. */
const ATTEMPT_LIMIT_MS = 25_000;

export type ModelWorldOptions = {
  readonly stateDir: string;
  /** Servers of {@link endpointState}, in the order in which they are asked. */
  readonly endpoints: readonly EndpointState[];
  readonly ports?: Partial<InferencePorts>;
  readonly limits?: Partial<AttemptLimits>;
};

export type PromptOptions = {
  readonly executor?: "ollama" | "claude";
  readonly kinds?: readonly EndpointKind[];
  readonly models?: readonly string[];
  readonly limits?: Partial<LoopLimits>;
  readonly corrections?: number;
  readonly contextTokens?: number;
  readonly claudeCommand?: string;
  readonly sandbox?: Partial<SandboxPlan>;
};

/** What is left of the node can be taken away and brought back while workers go on. */
export class ModelWorld {
  readonly stateDir: string;
  readonly inference: InferenceWorld;
  /** Read at each start of a worker: `CRASH_AT` names the label at which it dies. */
  readonly workerEnv: Record<string, string> = {};
  readonly #options: ModelWorldOptions;
  #node: Node | undefined;
  #socket: ModelSocket | undefined;

  constructor(options: ModelWorldOptions) {
    this.#options = options;
    this.stateDir = options.stateDir;
    this.inference = inferenceWorld(options.endpoints, {
      clock: realClock,
      limits: DEFAULT_INFERENCE_LIMITS,
      ...options.ports,
    });
  }

  get observer(): RecordingObserver {
    return this.node.observer;
  }

  get node(): Node {
    if (this.#node === undefined) throw new Error("no node is there");
    return this.#node;
  }

  /** Brings a node up: the first one, or the next one, which adopts what runs. */
  async startNode(model: ChatModel = this.inference.service): Promise<void> {
    const { limits = {} } = this.#options;
    this.#node = await startNode(this.stateDir, { workerEnv: this.workerEnv, limits });
    this.openModels(model);
  }

  /** Opens the socket on which workers ask for replies. */
  openModels(model: ChatModel = this.inference.service): void {
    const { pool } = this.node;
    const path = modelSocketPath(socketPathFor(this.stateDir));
    this.#socket = new ModelSocket({ path, model, attemptOf: (token) => pool.attemptOf(token), logger: silentLogger });
    const listening = this.#socket.listen();
    if (!listening.ok) throw new Error(listening.error.message);
  }

  async closeModels(): Promise<void> {
    await this.#socket?.close();
    this.#socket = undefined;
  }

  /** Takes the node away; workers stay. */
  async leave(): Promise<void> {
    await this.closeModels();
    await this.#node?.pool.stop({ leaveRunning: true });
    this.#node = undefined;
  }

  async stop(): Promise<void> {
    await this.#node?.pool.stop({ leaveRunning: false });
    await this.closeModels();
  }

  /** Launches the first attempt at a prompt. */
  async launch(spec: Readonly<Record<string, unknown>>, options: PromptOptions = {}): Promise<LaunchRequest> {
    const { executor = "ollama", sandbox = {} } = options;
    const request = attemptOf({ prompt: "Do what is to be done.", ...spec });
    const model = planOf(this.stateDir, request, options);
    return this.again({ ...request, executor, sandbox: { ...request.sandbox, ...sandbox }, model, attempt: 0 });
  }

  /** Launches the attempt after the given one. */
  async again(before: LaunchRequest): Promise<LaunchRequest> {
    const attempt = before.attempt + 1;
    const request: LaunchRequest = { ...before, attempt, fence: { epoch: 1, n: attempt } };
    const launched = await this.node.pool.launch(request);
    if (!launched.ok) throw new Error(launched.error.message);
    return request;
  }

  /** @returns the result of an attempt, once it is reported; throws when its worker was lost. */
  async resultOf(request: LaunchRequest): Promise<AttemptResult> {
    const end = await this.#endOf(request);
    if (end.kind === "lost") throw new Error(`the attempt was lost: ${end.reason}`);
    return end.result;
  }

  /** @returns why an attempt was lost, once that is reported. */
  async lossOf(request: LaunchRequest): Promise<string> {
    const end = await this.#endOf(request);
    if (end.kind === "finished") throw new Error(`the attempt finished: ${JSON.stringify(end.result)}`);
    return end.reason;
  }

  /** Launches and waits for the result. */
  async run(spec: Readonly<Record<string, unknown>>, options: PromptOptions = {}): Promise<AttemptResult> {
    return this.resultOf(await this.launch(spec, options));
  }

  /** @returns the pid of the worker that has an attempt. */
  async workerOf({ taskId, attempt }: LaunchRequest): Promise<number> {
    const folder = AttemptFolder.of(this.stateDir, taskId, attempt);
    return waitUntil("a worker has the attempt", () => folder.readClaim()?.pid);
  }

  workspaceOf({ taskId }: LaunchRequest): string {
    return join(this.stateDir, "workspaces", taskId);
  }

  logOf({ taskId, attempt }: LaunchRequest): string {
    return readFileSync(logPathOf(this.stateDir, taskId, attempt), "utf8");
  }

  /** @returns the first progress whose message has this text; undefined until it is there. */
  progress(text: string): Progress | undefined {
    const seen = this.observer.seen.flatMap((one) => (one.kind === "progress" ? [one.progress] : []));
    return seen.find(({ message }) => message.includes(text));
  }

  async #endOf({ taskId, attempt }: LaunchRequest) {
    return waitUntil(
      `attempt ${attempt} ends`,
      () => this.observer.ends().find(({ ref }) => ref.taskId === taskId && ref.attempt === attempt),
      ATTEMPT_LIMIT_MS,
    );
  }
}

function planOf(stateDir: string, { taskId }: LaunchRequest, options: PromptOptions): ModelPlan {
  return {
    tier: "standard",
    classifiedTier: "complex",
    tierReason: "said by the test",
    models: options.models ?? [],
    namedModels: [],
    kinds: options.kinds ?? ["ollama"],
    allowSpill: false,
    priority: "normal",
    contextTokens: options.contextTokens ?? 8_192,
    limits: { ...TIER_LIMITS.standard, ...options.limits },
    corrections: options.corrections ?? 1,
    checkpointPath: checkpointPathOf(stateDir, taskId),
    claudeCommand: options.claudeCommand ?? null,
    goal: null,
  };
}

/** A world whose one endpoint is at `url`. */
export function worldAt(stateDir: string, url: string, more: Partial<ModelWorldOptions> = {}): ModelWorld {
  return new ModelWorld({ stateDir, endpoints: [endpointState("one", url)], ...more });
}

/** @returns a repository with one commit of these files; what begins with `#!` can be executed. */
export function repositoryOf(path: string, files: Readonly<Record<string, string>>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), content, { mode: content.startsWith("#!") ? 0o755 : 0o644 });
  }
  const git = (...args: readonly string[]): void => {
    execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.invalid", ...args], { cwd: path });
  };
  git("init", "-q");
  git("add", ".");
  git("commit", "-qm", "one");
  return path;
}

export type SentMessage = { readonly role: string; readonly content: string };

/** @returns the conversation of a recorded request in the dialects of Ollama and OpenAI. */
export function messagesIn(request: RecordedRequest | undefined): readonly SentMessage[] {
  // `as`: the body is what a client of ours sent, which its own tests hold to the dialect.
  return request === undefined ? [] : (bodyField(request, "messages") as readonly SentMessage[]);
}

/** @returns what was said last, to which the reply is the answer. */
export function lastOf(request: RecordedRequest | undefined): SentMessage {
  return messagesIn(request).at(-1) ?? { role: "nobody", content: "" };
}

/** @returns what matches every text with this part; of a type, which the matcher's own is not. */
export function containing(part: string): unknown {
  return expect.stringContaining(part);
}

export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
