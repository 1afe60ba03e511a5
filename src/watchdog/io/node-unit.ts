/** The node as the watchdog deals with it: its process, what it says, and how it is asked to make room for the next. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import {
  type Clock,
  err,
  FLEET_FILE,
  type JsonValue,
  type Logger,
  ok,
  type Random,
  type Result,
  retryable,
  terminal,
} from "#base";
import type { KeptReport } from "../kept-process.ts";
import type { NodeMessage, ShutdownMode, WatchdogAction } from "../messages.ts";
import type { SupervisionPolicy } from "../policy.ts";
import type { ProcessSpec } from "../process-spec.ts";
import type { Health } from "../update/probation.ts";
import { type ControlSocket, type NodeConnection, openControlSocket } from "./control-socket.ts";
import type { KeptProcesses } from "./kept-processes.ts";
import { probeNode } from "./node-probe.ts";
import { type ProcessEntry, type ProcessIdentity, variableOf } from "./process-table.ts";
import { RotatedLog } from "./rotated-log.ts";
import { copyIdleDatabase } from "./state-copy.ts";
import { type FaultRecord, Supervisor } from "./supervisor.ts";

export type Environment = Readonly<Record<string, string>>;

/** What the next generation is started with. */
export type GenerationFacts = {
  /** The executable of the release that runs. */
  readonly binary: string;
  readonly number: number;
  readonly controlPath: string;
  readonly nativeDir: string;
  /** Whether descriptor 3 is the listening socket. */
  readonly hasSocket: boolean;
};

export type NodeUnitParts = {
  readonly stateDir: string;
  readonly policy: SupervisionPolicy;
  /** Whose processes outlive the node: attempts have this variable in their environment. The next node takes them over. */
  readonly attemptVariable: string;
  readonly generation: (facts: GenerationFacts) => { readonly command: readonly string[]; readonly env: Environment };
  readonly binary: () => string;
  readonly socketFd: () => number | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Gets what the node prints too, such as a terminal. */
  readonly echo: ((chunk: Uint8Array) => void) | null;
  readonly events: NodeEvents;
  /** What it wants to be kept alive. */
  readonly kept: KeptProcesses;
};

export interface NodeEvents {
  ready(): void;
  /** A person asked the node to end for good. */
  stopping(mode: ShutdownMode): void;
  /** What a person asks of the watchdog. */
  asked(action: WatchdogAction, body: JsonValue): Promise<Result<JsonValue>>;
  failed(fault: FaultRecord): void;
  /** It is not started again. */
  held(): void;
}

/** Requests under way, and long answers of models, are ended within this time when a node is to be replaced. */
const DRAIN_LIMIT_MS = 45_000;
/** Attempts that are let end before a stop may take as long as they are allowed to. */
const ATTEMPTS_LIMIT_MS = 24 * 3_600_000;
/** A node that is stopped at once ends its attempts first. */
const STOP_LIMIT_MS = 30_000;
/** A copy of gigabytes takes minutes. */
const BACKUP_LIMIT_MS = 30 * 60_000;

export class NodeUnit {
  readonly #parts: NodeUnitParts;
  readonly #log: RotatedLog;
  readonly #supervisor: Supervisor;
  readonly #paths: { readonly control: string; readonly native: string };
  #control: ControlSocket | undefined;
  #connection: { readonly pid: number; readonly peer: NodeConnection } | undefined;
  #url: string | null = null;
  /** Since the release that runs was started: what its earlier generations served, and their number before it. */
  #since = { generation: 0, requests: 0, serverErrors: 0 };
  #served = { requests: 0, serverErrors: 0 };
  #fault: string | null = null;
  readonly #keepers = new Map<NodeConnection, Parameters<KeptProcesses["want"]>[1]>();

  constructor(parts: NodeUnitParts) {
    this.#parts = parts;
    const { stateDir, clock, random, logger, echo, events } = parts;
    this.#paths = { control: join(stateDir, "watchdog.sock"), native: join(stateDir, "native") };
    this.#log = new RotatedLog(this.logPath);
    const output = {
      accept: (chunk: Uint8Array): void => {
        this.#log.accept(chunk);
        echo?.(chunk);
      },
    };
    this.#supervisor = new Supervisor({
      spec: () => this.#spec(),
      clock,
      random,
      logger,
      output,
      onFault: (fault) => {
        this.#ended();
        events.failed(fault);
      },
      onHeld: () => {
        this.#fault = this.#supervisor.snapshot().fault?.reason ?? "it failed too often";
        events.held();
      },
    });
  }

  get logPath(): string {
    return join(this.#parts.stateDir, "logs", "node.log");
  }

  /** The last lines that it printed. */
  lines(count: number): readonly string[] {
    return this.#log.lines().slice(-count);
  }

  /** Its address while it serves. */
  get url(): string | null {
    return this.#supervisor.snapshot().phase === "running" ? this.#url : null;
  }

  get identity(): ProcessIdentity | undefined {
    return this.#supervisor.identity;
  }

  get connection(): NodeConnection | undefined {
    return this.#connection?.peer;
  }

  snapshot(): ReturnType<Supervisor["snapshot"]> {
    return this.#supervisor.snapshot();
  }

  open(): Result<void> {
    const { stateDir, logger } = this.#parts;
    mkdirSync(join(stateDir, "logs"), { recursive: true, mode: 0o700 });
    mkdirSync(this.#paths.native, { recursive: true, mode: 0o700 });
    const listener = {
      received: (message: NodeMessage, from: NodeConnection): void => this.#received(message, from),
      closed: (from: NodeConnection): void => {
        if (this.#connection?.peer === from) this.#connection = undefined;
        const keeper = this.#keepers.get(from);
        if (keeper !== undefined) this.#parts.kept.forget(keeper);
        this.#keepers.delete(from);
      },
    };
    const control = openControlSocket(this.#paths.control, listener, logger);
    if (!control.ok) return control;
    this.#control = control.value;
    return ok(undefined);
  }

  close(): void {
    this.#control?.close();
  }

  adopt(identity: ProcessIdentity): void {
    this.#supervisor.adopt(identity);
  }

  /** Starts the release that is current, anew for whoever counts its starts and requests. */
  launch(): void {
    this.#since = { generation: this.#supervisor.snapshot().generation, requests: 0, serverErrors: 0 };
    this.#served = { requests: 0, serverErrors: 0 };
    this.#fault = null;
    this.#supervisor.start();
  }

  /** As {@link launch}. Resolves when it is ready, or with the reason why it will not be. */
  async start(): Promise<Result<void>> {
    this.launch();
    return this.#supervisor.untilReady(this.#parts.policy.startLimitMs);
  }

  /** Ends it for the next generation: attempts go on in their workers, connections wait. */
  async drain(): Promise<Result<void>> {
    await this.#end((peer) => peer.send({ kind: "drain" }), DRAIN_LIMIT_MS);
    const { identity } = this.#supervisor;
    return identity === undefined
      ? ok(undefined)
      : err(terminal("unavailable", `process ${identity.pid} of the node cannot be ended`));
  }

  async stop(mode: ShutdownMode): Promise<void> {
    await this.#end((peer) => peer.send({ kind: "stop", mode }), mode === "drain" ? ATTEMPTS_LIMIT_MS : STOP_LIMIT_MS);
  }

  /** It was asked by somebody else already. */
  async awaitEnd(mode: ShutdownMode): Promise<void> {
    await this.#end(() => undefined, mode === "drain" ? ATTEMPTS_LIMIT_MS : STOP_LIMIT_MS);
  }

  /** While a stop is under way: no longer waits for attempts. */
  hurry(): void {
    this.#connection?.peer.send({ kind: "stop", mode: "now" });
  }

  announce(on: boolean, version: string): void {
    this.#connection?.peer.send({ kind: "maintenance", on, version });
  }

  /** A consistent copy of its database, which only it may take while it runs. In safe mode nobody uses it. */
  async backup(path: string): Promise<Result<void>> {
    const { url } = this;
    if (this.identity === undefined) return copyIdleDatabase(join(this.#parts.stateDir, FLEET_FILE), path);
    if (url === null) return err(retryable("unavailable", "the node does not run, so its state cannot be copied"));
    try {
      const token = readFileSync(join(this.#parts.stateDir, "token"), "utf8").trim();
      rmSync(path, { force: true });
      const response = await fetch(`${url}/api/backup`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json", connection: "close" },
        body: JSON.stringify({ file: path }),
        signal: AbortSignal.timeout(BACKUP_LIMIT_MS),
        keepalive: false,
        proxy: false,
      });
      const text = await response.text();
      return response.ok
        ? ok(undefined)
        : err(retryable("unavailable", `the state cannot be copied: ${text.slice(0, 500)}`));
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      return err(retryable("unavailable", `the state cannot be copied: ${reason}`));
    }
  }

  /** How much of its budget is used. */
  get restarts(): { readonly used: number; readonly allowed: number; readonly withinMs: number } {
    const { restarts: allowed, withinMs } = this.#parts.policy.budget;
    return { used: this.#supervisor.snapshot().recentFaults, allowed, withinMs };
  }

  /** Faults until now do not count any more. */
  forgive(): void {
    this.#supervisor.forgive();
  }

  health(): Health {
    const { phase, generation } = this.#supervisor.snapshot();
    return {
      ok: phase === "running",
      fault: this.#fault,
      boots: generation - this.#since.generation,
      requests: this.#since.requests + this.#served.requests,
      serverErrors: this.#since.serverErrors + this.#served.serverErrors,
    };
  }

  async #end(ask: (peer: NodeConnection) => void, graceMs: number): Promise<void> {
    const peer = this.#connection?.peer;
    const isRunning = this.#supervisor.identity !== undefined && peer !== undefined;
    await this.#supervisor.stop(isRunning ? { ask: () => ask(peer), graceMs } : { graceMs: STOP_LIMIT_MS });
    this.#ended();
  }

  #ended(): void {
    this.#url = null;
    const { requests, serverErrors } = this.#served;
    this.#since = {
      ...this.#since,
      requests: this.#since.requests + requests,
      serverErrors: this.#since.serverErrors + serverErrors,
    };
    this.#served = { requests: 0, serverErrors: 0 };
  }

  #spec(): ProcessSpec {
    const { generation, policy, attemptVariable, binary, socketFd } = this.#parts;
    const fd = socketFd();
    // A native part that was unpacked by halves keeps every start from working; it is unpacked again in no time.
    if (this.#supervisor.snapshot().fault !== null) rmSync(this.#paths.native, { recursive: true, force: true });
    mkdirSync(this.#paths.native, { recursive: true, mode: 0o700 });
    const { command, env } = generation({
      binary: binary(),
      number: this.#supervisor.snapshot().generation,
      controlPath: this.#paths.control,
      nativeDir: this.#paths.native,
      hasSocket: fd !== null,
    });
    return {
      name: "node",
      command,
      env,
      descriptors: fd === null ? [] : [fd],
      policy,
      usesHeartbeat: true,
      probe: () => probeNode(this.#url),
      spares: ({ pid }: ProcessEntry) => variableOf(pid, attemptVariable) !== undefined,
    };
  }

  #received(message: NodeMessage, from: NodeConnection): void {
    const { events } = this.#parts;
    if (message.kind === "hello") {
      this.#connection = { pid: message.pid, peer: from };
      return;
    }
    if (message.kind === "keep") {
      const keeper =
        this.#keepers.get(from) ?? ((processes: readonly KeptReport[]) => from.send({ kind: "kept", processes }));
      this.#keepers.set(from, keeper);
      this.#parts.kept.want(message.processes, keeper);
      return;
    }
    // What a generation that is about to go still says, is not about the one that runs.
    if (this.#connection?.peer !== from) return;
    switch (message.kind) {
      case "ready":
        this.#url = message.url;
        this.#supervisor.ready();
        events.ready();
        break;
      case "heartbeat":
        this.#served = { requests: message.requests, serverErrors: message.serverErrors };
        this.#supervisor.heartbeat(message.pulses);
        break;
      case "stopping":
        events.stopping(message.mode);
        break;
      case "request":
        void events.asked(message.action, message.body).then((result) => {
          const { id } = message;
          from.send(
            result.ok ? { kind: "answer", id, value: result.value } : { kind: "answer", id, failure: result.error },
          );
        });
        break;
    }
  }
}
