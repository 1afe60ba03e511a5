/**
 * Processes that a node wants to be kept alive: started, probed, started again on another port, and ended when no node
 * wants them any more. They belong to the state folder and not to one watchdog or node: whoever keeps them next takes
 * the living one over, so that there are never two on the same data.
 */
import { join } from "node:path";
import { type Clock, err, type JsonValue, type Logger, ok, type Random, type Result, retryable } from "#base";
import { commandOn, KEPT_POLICY, type KeptProcess, type KeptReport } from "../kept-process.ts";
import type { SupervisionPolicy } from "../policy.ts";
import type { ProcessSpec } from "../process-spec.ts";
import { killTree } from "./kill-tree.ts";
import { freePort, listensAt } from "./loopback-port.ts";
import { runProbe } from "./probe.ts";
import { commandLineOf, identify, type ProcessIdentity, processTable, variableOf } from "./process-table.ts";
import { RotatedLog } from "./rotated-log.ts";
import { Supervisor } from "./supervisor.ts";

/** Whose process it is, in its environment: found there even when the one that started it left no word. */
const OWNER = "DROVER_KEPT";
const PORT = "DROVER_KEPT_PORT";

/** A server of this host that is well answers in a millisecond, and everybody who writes waits for it. */
const PROBE_LIMIT_MS = 2_000;

type Parts = {
  readonly stateDir: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** {@link KEPT_POLICY} unless given. */
  readonly policy?: SupervisionPolicy;
};

type Listener = (reports: readonly KeptReport[]) => void;
type Member = { wanted: KeptProcess; port: number; readonly supervisor: Supervisor; readonly log: RotatedLog };
type Found = { readonly identity: ProcessIdentity; readonly name: string; readonly port: number };

export class KeptProcesses {
  readonly #parts: Parts;
  readonly #members = new Map<string, Member>();
  readonly #listeners = new Set<Listener>();
  #hasLooked = false;
  #isStopping = false;
  /** One list after the other: what is ended for the one must be gone before the next begins. */
  #work: Promise<void> = Promise.resolve();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** From now on exactly these are kept; `listener` hears how they fare, now and after each change. */
  want(processes: readonly KeptProcess[], listener: Listener): void {
    this.#listeners.add(listener);
    this.#work = this.#work.then(() => this.#settle(processes));
  }

  forget(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Starts one anew. @returns whether there is one of this name. */
  restart(name: string): boolean {
    const member = this.#members.get(name);
    if (member?.supervisor.snapshot().phase === "held") member.supervisor.release();
    else member?.supervisor.restart("a person asked for it");
    return member !== undefined;
  }

  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    await this.#work;
    for (const name of this.#members.keys()) await this.#end(name, graceMs);
  }

  view(): readonly JsonValue[] {
    return [...this.#members].map(([name, { supervisor, port }]) => {
      const { phase, pid, generation, phaseMs, fault } = supervisor.snapshot();
      const lastFault = fault === null ? null : { ...fault };
      return { name, phase, pid, generation, phaseMs: Math.round(phaseMs), lastFault, log: this.#logPath(name), port };
    });
  }

  async #settle(processes: readonly KeptProcess[]): Promise<void> {
    if (this.#isStopping) return;
    const left = this.#hasLooked ? [] : this.#look();
    this.#hasLooked = true;
    for (const name of this.#members.keys()) {
      if (!processes.some((one) => one.name === name)) await this.#end(name, KEPT_POLICY.termGraceMs);
    }
    const taken = new Set<Found>();
    for (const wanted of processes) {
      const found = left.find(({ name }) => name === wanted.name);
      if (found !== undefined) taken.add(found);
      await this.#endLeft(left.filter((one) => one.name === wanted.name && one !== found));
      this.#keep(wanted, found);
    }
    await this.#endLeft(left.filter((one) => !taken.has(one) && !processes.some(({ name }) => name === one.name)));
    this.#tellAll();
  }

  #keep(wanted: KeptProcess, found: Found | undefined): void {
    const known = this.#members.get(wanted.name);
    if (known !== undefined) {
      const isSame = Bun.deepEquals(known.wanted, wanted);
      known.wanted = wanted;
      if (!isSame) known.supervisor.restart("the node wants it in another form");
      return;
    }
    const log = new RotatedLog(this.#logPath(wanted.name));
    const member: Member = {
      wanted,
      port: found?.port ?? 0,
      log,
      supervisor: new Supervisor({
        ...this.#parts,
        spec: () => this.#spec(member),
        output: log,
        onChange: () => this.#tellAll(),
      }),
    };
    this.#members.set(wanted.name, member);
    if (found === undefined) {
      member.supervisor.start();
      return;
    }
    const isSame = Bun.deepEquals(commandLineOf(found.identity.pid), commandOn(wanted, found.port));
    this.#parts.logger.info(`${wanted.name} is taken over`, { pid: found.identity.pid, port: found.port });
    member.supervisor.adopt(found.identity);
    if (!isSame) member.supervisor.restart("the node wants it in another form");
  }

  /** Asked before each start, and once for a process that is taken over, which has its port. */
  #spec(member: Member): ProcessSpec {
    const { wanted } = member;
    const isTakenOver = member.port !== 0 && member.supervisor.snapshot().generation === 0;
    if (!isTakenOver) member.port = freePort();
    const { port } = member;
    const env = { ...wanted.env, [OWNER]: this.#ownerOf(wanted.name), [PORT]: String(port) };
    return {
      name: wanted.name,
      command: commandOn(wanted, port),
      env,
      descriptors: [],
      policy: { ...(this.#parts.policy ?? KEPT_POLICY), memoryLimitBytes: wanted.memoryLimitBytes },
      usesHeartbeat: false,
      probe: () => this.#probe(member, `http://127.0.0.1:${port}${wanted.healthPath}`, env),
    };
  }

  async #probe(
    { supervisor, port }: Member,
    url: string,
    env: Readonly<Record<string, string>>,
  ): Promise<Result<void>> {
    const late = Promise.withResolvers<Result<void>>();
    const timer = this.#parts.clock.after(PROBE_LIMIT_MS, () => {
      late.resolve(err(retryable("timed_out", `it gave no answer within ${PROBE_LIMIT_MS} ms`)));
    });
    const answer = await Promise.race([runProbe({ kind: "http", url }, env), late.promise]);
    timer.cancel();
    const pid = supervisor.identity?.pid;
    if (!answer.ok || pid === undefined || listensAt(pid, port)) return answer.ok ? ok(undefined) : answer;
    return err(retryable("unavailable", `another process answers on its port ${port}`));
  }

  /** What an earlier watchdog or node left running. */
  #look(): readonly Found[] {
    const prefix = this.#ownerOf("");
    return processTable().flatMap(({ pid, isZombie }) => {
      const owner = isZombie ? undefined : variableOf(pid, OWNER);
      if (owner === undefined || !owner.startsWith(prefix)) return [];
      const identity = identify(pid);
      const port = Number(variableOf(pid, PORT));
      return identity === undefined ? [] : [{ identity, name: owner.slice(prefix.length), port }];
    });
  }

  async #endLeft(left: readonly Found[]): Promise<void> {
    for (const { identity, name } of left) {
      this.#parts.logger.warn(`${name} of an earlier start is ended`, { pid: identity.pid });
      await killTree({ leader: identity.pid, mark: undefined, spares: () => false }, this.#parts.clock);
    }
  }

  async #end(name: string, graceMs: number): Promise<void> {
    const member = this.#members.get(name);
    if (member === undefined) return;
    await member.supervisor.stop({ graceMs });
    member.log.close();
    this.#members.delete(name);
  }

  #tellAll(): void {
    const reports = [...this.#members].map(([name, { supervisor, port }]): KeptReport => {
      const { phase, pid, generation, fault } = supervisor.snapshot();
      return { name, phase, pid, port: phase === "running" ? port : null, generation, fault: fault?.reason ?? null };
    });
    for (const listener of this.#listeners) listener(reports);
  }

  #ownerOf(name: string): string {
    return `${this.#parts.stateDir}:${name}`;
  }

  #logPath(name: string): string {
    return join(this.#parts.stateDir, "logs", `${name}.log`);
  }
}
