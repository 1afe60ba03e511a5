/** A node: the engine, its HTTP API, and what keeps both going. */
import { readFileSync, rmSync } from "node:fs";
import { type ApiPorts, createApi, type HttpServer, serveApi, unwatched, type WatchdogPort } from "#api";
import { type Logger, ok, type Result } from "#base";
import type { Fleet } from "#fleet";
import { apiPorts, nodeName } from "./api-ports.ts";
import { type HubSays, openBeside } from "./beside.ts";
import type { LoadedConfig } from "./config/load.ts";
import { type Engine, type StopMode, startEngine } from "./engine.ts";
import { durabilityOf, wantedReplicas } from "./fleet/durability.ts";
import { fleetPort } from "./fleet/fleet-port.ts";
import { type HubDuty, startHubDuty } from "./fleet/hub-duty.ts";
import { noteRole } from "./fleet/note-role.ts";
import { openNodeFleet } from "./fleet/open-node-fleet.ts";
import { openNodeStores, seedFor } from "./fleet/open-node-stores.ts";
import { ANSWERED_MS, openSuccession, type Withheld } from "./fleet/open-succession.ts";
import { type Settled, settleSuccession } from "./fleet/settle-succession.ts";
import { type NodeFleet, startFleet } from "./fleet/start-fleet.ts";
import { openNodeMind } from "./mind/node-mind.ts";
import { ownCommand } from "./program.ts";
import { realClock, realRandom } from "./real-clock.ts";
import { sourceBuilds } from "./source-build/open-source-builds.ts";
import { ensureToken, prepareStateFolder, type StateFolder, writeDurably } from "./state-folder.ts";
import { attachNode, linkToWatchdog, type Supervision } from "./supervision.ts";
import type { WatchdogLink } from "./watchdog-link.ts";

/** Answers of models that are being given when the next generation is to take over get this long. */
const HAND_OVER_LONG_MS = 30_000;
/** Requests that run when the node stops get this long. */
const HTTP_GRACE_MS = 5_000;

export type RunningNode = {
  readonly url: string;
  readonly stateDir: string;
  /** Resolves when the node has stopped, for whatever reason. */
  readonly stopped: Promise<void>;
  readonly stop: (mode: StopMode) => Promise<void>;
};

export type NodeOptions = {
  readonly loaded: LoadedConfig;
  readonly stateDir: string;
  readonly logger: Logger;
  readonly crashPoint: (label: string) => void;
  /** Given by the watchdog that started this node; null for a node that stands alone. */
  readonly supervision: Supervision | null;
};

/** Starts everything or nothing. The failure says which part could not start and what to do. */
export async function startNode(options: NodeOptions): Promise<Result<RunningNode>> {
  const { config } = options.loaded;
  const startedAtMs = realClock.nowMs();
  const random = realRandom();
  const folder = prepareStateFolder(options.stateDir);
  if (!folder.ok) return folder;
  const { stateDir, supervision, logger } = options;
  // Before there is a node: the server of a hub is started by the watchdog, and needed to start.
  const link = supervision === null ? undefined : linkToWatchdog(supervision, logger);
  const settled = await settleSuccession({ ...options, config, clock: realClock, random });
  if (!settled.ok) {
    link?.close();
    return settled;
  }
  const seed = seedFor(stateDir, realClock);
  const place = await startFleet({ config, stateDir, link, clock: realClock, random, logger, seed });
  if (!place.ok) {
    link?.close();
    return place;
  }
  const abandon = async (): Promise<void> => {
    await place.value.close();
    link?.close();
  };
  // By the watchdog where there is one; whoever else supervises this node sees it end.
  const restart = (): void => {
    if (link === undefined) process.kill(process.pid, "SIGTERM");
    else void link.ask("restart", null);
  };
  const withheld: Withheld = { why: () => undefined };
  const hubSays: HubSays = { announceAlso: () => ({}), obey: () => undefined };
  const engine = await startEngineAt(options, place.value, { restart, withheld, hubSays });
  if (!engine.ok) {
    await abandon();
    return engine;
  }
  const listening = { port: config["http.port"] };
  const fleet = openNodeFleet({
    config,
    stores: engine.value.stores,
    member: engine.value.member,
    place: place.value,
    queue: engine.value.queue,
    logger: options.logger,
    name: nodeName(config),
    port: () => listening.port,
  });
  const parts = {
    options,
    folder: folder.value,
    engine: engine.value,
    place: place.value,
    link,
    startedAtMs,
    restart,
    listening,
    withheld,
    settled: settled.value,
    hubSays,
  };
  const ready = fleet.ok ? await serve({ ...parts, fleet: fleet.value }) : fleet;
  if (!ready.ok) {
    await engine.value.stop("leave");
    await abandon();
  }
  return ready;
}

function startEngineAt(
  options: NodeOptions,
  place: NodeFleet,
  { restart, withheld, hubSays }: Pick<Started, "restart" | "withheld" | "hubSays">,
): Promise<Result<Engine>> {
  const { stateDir, logger, crashPoint } = options;
  const common = {
    config: options.loaded.config,
    stateDir,
    clock: realClock,
    random: realRandom(),
    logger,
    crashPoint,
  };
  return startEngine({
    ...common,
    workerCommand: ownCommand("worker"),
    ollamaHost: process.env["OLLAMA_HOST"] ?? null,
    open: () => openNodeStores({ ...common, place, onDiverged: restart, withhold: () => withheld.why() }),
    announceAlso: () => hubSays.announceAlso(),
    obey: (order) => hubSays.obey(order),
  });
}

type Started = {
  readonly options: NodeOptions;
  readonly folder: StateFolder;
  readonly engine: Engine;
  readonly place: NodeFleet;
  readonly link: WatchdogLink | undefined;
  readonly startedAtMs: number;
  /** Has this node replaced by a new process. */
  readonly restart: () => void;
  readonly fleet: Fleet;
  readonly withheld: Withheld;
  readonly settled: Settled;
  /** The port, once it is known: the configured one may be "any". */
  readonly listening: { port: number };
  readonly hubSays: HubSays;
};

async function serve(parts: Started): Promise<Result<RunningNode>> {
  const { options, folder, engine, place, fleet, link } = parts;
  const { config } = options.loaded;
  const token = ensureToken(folder, realRandom());
  if (!token.ok) return token;
  const stopped = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  const { stateDir, logger } = options;
  const stop = (mode: StopMode): Promise<void> => {
    // A drain that takes too long for somebody is cut short; it then finds nothing left to wait for.
    if (stopping !== undefined && mode === "now") void engine.endAttempts();
    stopping ??= shutDown(mode);
    return stopping;
  };
  const watchdog: WatchdogPort = { ask: (action, body) => (link ?? unwatched).ask(action, body) };
  const builds = sourceBuilds({ config, stateDir, engine, watchdog, logger });
  const duty = hubDutyOf(parts);
  const beside = openBeside(parts, duty, watchdog);
  const becomeHub = (): void => void realClock.after(ANSWERED_MS, parts.restart);
  const accord = openSuccession({ ...options, ...parts });
  if (!accord.ok) return accord;
  const { succession, election, life } = accord.value;
  const minding = openNodeMind({ ...options, ...parts, ...beside.forMind, duty });
  if (!minding.ok) return minding;
  const mind = minding.value;
  const durability = durabilityOf(place.role, config, duty?.replicas, logger);
  const ports = apiPorts({
    ...options,
    fleet: fleetPort({ fleet, engine, duty, succession, election, clock: realClock, becomeHub, durability }),
    ...beside.ports,
    engine,
    mind: mind.port,
    queue: duty?.queue ?? engine.queue,
    token: token.value,
    startedAtMs: parts.startedAtMs,
    watchdog,
    sourceBuilds: builds,
    stop: (mode) => {
      link?.stopping(mode);
      void stop(mode);
    },
  });
  const answering = await answer(parts, ports);
  if (!answering.ok) return answering;
  const { api, server } = answering.value;
  await noteRole({ role: place.role, fleet, secrets: engine.stores.secrets, logger });
  if (link !== undefined) attachNode(link, { api, server, pulses: mind.pulses, stop });

  async function shutDown(mode: StopMode): Promise<void> {
    options.logger.info("the node stops", { mode, running: engine.pool.live.length });
    await mind.stop();
    await builds.stop();
    // While attempts end, the node goes on answering, so that people can watch it drain.
    if (mode === "drain") await engine.consumers.stop();
    if (mode === "leave") await server.handOver({ longMs: HAND_OVER_LONG_MS });
    await server.stop({ graceMs: HTTP_GRACE_MS });
    duty?.stop();
    await beside.stop();
    life.stop();
    await engine.stop(mode);
    await place.close();
    // Last of all: whoever waits for this may then start another node on the folder.
    removeNodeFile(folder.nodeFile);
    link?.close();
    stopped.resolve();
  }
  life.start();
  beside.start();
  mind.start();
  void builds.start();
  writeDurably(folder.nodeFile, `${JSON.stringify(nodeFile(server, parts.startedAtMs))}\n`);
  link?.ready(server.url);
  return ok({ url: server.url, stateDir: options.stateDir, stopped: stopped.promise, stop });
}

/** Begins to answer requests, on the watchdog's socket where there is one. */
async function answer({ options, listening }: Started, ports: ApiPorts) {
  const { supervision, logger, loaded } = options;
  const { config } = loaded;
  const api = createApi(ports, apiOptions(config));
  const server = await serveApi(api, {
    host: config["http.host"],
    port: config["http.port"],
    logger,
    ...(supervision?.socket === undefined ? {} : { socket: supervision.socket }),
  });
  if (!server.ok) return server;
  listening.port = server.value.port;
  supervision?.socket?.close();
  return ok({ api, server: server.value });
}

function apiOptions(config: LoadedConfig["config"]): Parameters<typeof createApi>[1] {
  return {
    hosts: [config["http.host"], ...config["http.allow_hosts"]],
    rateLimits: {
      read: withBurst(config["http.reads_per_second"]),
      write: withBurst(config["http.writes_per_second"]),
    },
  };
}

/** Only where this node writes for others. */
function hubDutyOf({ options, engine, place, fleet, restart }: Started): HubDuty | undefined {
  const { service, stores, running, describe: describeSelf } = engine;
  if (place.role.kind !== "hub" || service === undefined) return undefined;
  const { logger, loaded } = options;
  const strictTermMs = loaded.config["fleet.lease_ms"];
  return startHubDuty({
    queue: service,
    goals: engine.goals,
    stores,
    fleet,
    running,
    strictTermMs,
    clock: realClock,
    logger,
    describeSelf,
    replicas: wantedReplicas(loaded.config),
    nodeParts: engine.parts,
    probationMs: loaded.config["update.probation_ms"],
    isIdle: () => engine.attempts.running().length === 0,
    restart,
  });
}

function withBurst(perSecond: number): { readonly perSecond: number; readonly burst: number } {
  return { perSecond, burst: 2 * perSecond };
}

function nodeFile(server: HttpServer, startedAtMs: number): object {
  return { url: server.url, pid: process.pid, startedAtMs };
}

/** Unless the next node has written its own already. */
function removeNodeFile(path: string): void {
  try {
    // `as`: written by a node; the one field is only compared.
    const said = JSON.parse(readFileSync(path, "utf8")) as { readonly pid?: unknown };
    if (said.pid === process.pid) rmSync(path, { force: true });
  } catch {
    // Gone, or not ours to judge: the next node writes it anew.
  }
}
