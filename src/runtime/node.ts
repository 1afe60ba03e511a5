/** A node: the engine, its HTTP API, and what keeps both going. */
import { readFileSync, rmSync } from "node:fs";
import { createApi, type HttpServer, serveApi, unwatched, type WatchdogPort } from "#api";
import { type Failure, type JsonValue, type Logger, ok, type Result } from "#base";
import { type ElectionDuty, type Fleet, FleetQueue, nonceMaker, performOn } from "#fleet";
import { apiPorts, nodeName } from "./api-ports.ts";
import type { LoadedConfig } from "./config/load.ts";
import { type Engine, type StopMode, startEngine } from "./engine.ts";
import { readAuthorities } from "./fleet/authorities.ts";
import { durabilityOf, wantedReplicas } from "./fleet/durability.ts";
import { ElectionEvents, type ElectionNews } from "./fleet/election-events.ts";
import { fleetPort } from "./fleet/fleet-port.ts";
import { type HubDuty, startHubDuty } from "./fleet/hub-duty.ts";
import { openNodeFleet } from "./fleet/open-node-fleet.ts";
import { openNodeStores, seedFor } from "./fleet/open-node-stores.ts";
import { Resender } from "./fleet/resender.ts";
import { type Settled, settleSuccession } from "./fleet/settle-succession.ts";
import { beginElectionDuty } from "./fleet/start-election.ts";
import { type NodeFleet, startFleet } from "./fleet/start-fleet.ts";
import { ELECTED, Succession } from "./fleet/succession.ts";
import { startMaintenance } from "./maintenance.ts";
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
/** Whoever made this node a hub has its answer by then. */
const ANSWERED_MS = 200;

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
  const engine = await startEngineAt(options, place.value, restart, withheld);
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
  };
  const ready = fleet.ok ? await serve({ ...parts, fleet: fleet.value }) : fleet;
  if (!ready.ok) {
    await engine.value.stop("leave");
    await abandon();
  }
  return ready;
}

/** Why this hub acknowledges nothing now; known once it takes part in elections, before it serves anybody. */
type Withheld = { why: () => Failure | undefined };

function startEngineAt(
  options: NodeOptions,
  place: NodeFleet,
  restart: () => void,
  withheld: Withheld,
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
    restart,
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
};

async function serve(parts: Started): Promise<Result<RunningNode>> {
  const { options, folder, engine, place, fleet, link } = parts;
  const { config } = options.loaded;
  const token = ensureToken(folder, realRandom());
  if (!token.ok) return token;
  const stopped = Promise.withResolvers<void>();
  let stopping: Promise<void> | undefined;
  const { supervision, stateDir, logger } = options;
  const stop = (mode: StopMode): Promise<void> => {
    // A drain that takes too long for somebody is cut short; it then finds nothing left to wait for.
    if (stopping !== undefined && mode === "now") void engine.endAttempts();
    stopping ??= shutDown(mode);
    return stopping;
  };
  const watchdog: WatchdogPort = { ask: (action, body) => (link ?? unwatched).ask(action, body) };
  const builds = sourceBuilds({ config, stateDir, engine, watchdog, logger });
  const duty = hubDutyOf(parts);
  const becomeHub = (): void => void realClock.after(ANSWERED_MS, parts.restart);
  const accord = successionOf(parts);
  if (!accord.ok) return accord;
  const { succession, election, life } = accord.value;
  const resender = resenderOf(parts);
  const durability = durabilityOf(place.role, config, duty?.replicas, logger);
  const ports = apiPorts({
    ...options,
    fleet: fleetPort({ fleet, engine, duty, succession, election, clock: realClock, becomeHub, durability }),
    engine,
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
  const api = createApi(ports, apiOptions(config));
  const server = await serveApi(api, {
    host: config["http.host"],
    port: config["http.port"],
    logger: options.logger,
    ...(supervision?.socket === undefined ? {} : { socket: supervision.socket }),
  });
  if (!server.ok) return server;
  parts.listening.port = server.value.port;
  supervision?.socket?.close();
  if (link !== undefined) attachNode(link, { api, server: server.value, engine, stop });
  const stopMaintenance = startMaintenance({ ...engine, stateDir, clock: realClock, logger }, config);

  async function shutDown(mode: StopMode): Promise<void> {
    options.logger.info("the node stops", { mode, running: engine.pool.live.length });
    stopMaintenance();
    await builds.stop();
    // While attempts end, the node goes on answering, so that people can watch it drain.
    if (mode === "drain") await engine.consumers.stop();
    if (mode === "leave") await (server.ok ? server.value.handOver({ longMs: HAND_OVER_LONG_MS }) : undefined);
    await (server.ok ? server.value.stop({ graceMs: HTTP_GRACE_MS }) : undefined);
    duty?.stop();
    life.stop();
    await resender?.stop();
    await engine.stop(mode);
    await place.close();
    // Last of all: whoever waits for this may then start another node on the folder.
    removeNodeFile(folder.nodeFile);
    link?.close();
    stopped.resolve();
  }
  life.start();
  resender?.start();
  void builds.start();
  writeDurably(folder.nodeFile, `${JSON.stringify(nodeFile(server.value, parts.startedAtMs))}\n`);
  link?.ready(server.value.url);
  return ok({ url: server.value.url, stateDir: options.stateDir, stopped: stopped.promise, stop });
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

/** Who becomes the hub by a person's word, and by election. */
function successionOf({ options, engine, place, fleet, restart, settled, withheld }: Started): Result<{
  readonly succession: Succession;
  readonly election: ElectionDuty | undefined;
  readonly life: { readonly start: () => void; readonly stop: () => void };
}> {
  const { stores, member, queue, service } = engine;
  const { config } = options.loaded;
  const ca = readAuthorities(config["fleet.ca_file"]);
  const isHub = place.role.kind === "hub";
  const common = {
    fleet,
    stores,
    isHub,
    ca: ca.ok ? ca.value : undefined,
    nonce: member?.nonce ?? nonceMaker(realRandom()),
    clock: realClock,
    logger: options.logger,
  };
  const events = new ElectionEvents(queue, realClock, newsOf(settled, engine));
  const sought = (epoch: number): void => events.add({ kind: "hub.sought", data: { epoch, node: engine.nodeId } });
  const taking: { part: ElectionDuty | undefined } = { part: undefined };
  withheld.why = () => taking.part?.obstacle();
  const succession = new Succession({
    ...common,
    member,
    stateDir: options.stateDir,
    isReaching: () => !(queue instanceof FleetQueue) || queue.isReaching,
    standDown: (why) => service?.standDown(why),
    uuid: stores.identity.uuid,
    configuredUrl: config["fleet.url"],
    goOnAlone: () => (taking.part?.view().holdsLease === false ? taking.part.decideAlone() : undefined),
    restart: () => void realClock.after(ANSWERED_MS, restart),
  });
  if (place.role.kind === "solo") {
    return ok({ succession, election: undefined, life: lifeOf(succession, undefined, events) });
  }
  const begun = beginElectionDuty({ ...common, loaded: options.loaded, succession, sought, random: realRandom() });
  if (!begun.ok) return begun;
  taking.part = begun.value;
  return ok({ succession, election: begun.value, life: lifeOf(succession, begun.value, events) });
}

function lifeOf(succession: Succession, election: ElectionDuty | undefined, events: ElectionEvents) {
  return {
    start: (): void => {
      succession.start();
      election?.start();
    },
    stop: (): void => {
      succession.stop();
      election?.stop();
      events.stop();
    },
  };
}

/** What this start has made of the hub. A hub by a person's word needs no news: that person knows. */
function newsOf({ promoted, left }: Settled, { stores, nodeId }: Engine): readonly ElectionNews[] {
  const elected = promoted !== undefined && stores.fleetNodes.hub()?.why === ELECTED ? promoted : undefined;
  return [
    ...(elected === undefined ? [] : [{ kind: "hub.elected" as const, data: { epoch: elected, node: nodeId } }]),
    ...(left === undefined ? [] : [{ kind: "hub.stepped_down" as const, data: { node: nodeId, folder: left } }]),
  ];
}

/** Undefined for a node that is alone: there is nobody to whom it would have to send anything. */
function resenderOf({ options, engine, place }: Started): Resender | undefined {
  const { queue, service, stores, nodeId } = engine;
  if (place.role.kind === "solo") return undefined;
  return new Resender({
    quarantine: stores.quarantine,
    perform: async (command) => {
      if (queue instanceof FleetQueue) return queue.resend(command);
      if (service === undefined) return undefined;
      // `as`: what the queue returns is JSON throughout.
      return (await performOn(service, command, { id: command.id, node: nodeId })) as Result<JsonValue | undefined>;
    },
    clock: realClock,
    logger: options.logger,
    crashPoint: options.crashPoint,
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
