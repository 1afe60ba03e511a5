/** How a watchdog comes by the socket of its node: it opens one, or gets it from a node that went on serving without it. */
import { rmSync } from "node:fs";
import { type Clock, err, type Logger, ok, type Result, refused, sleep } from "#base";
import type { NodeConnection } from "./control-socket.ts";
import { type ListeningSocket, openListeningSocket } from "./listening-socket.ts";
import { isAlive, type ProcessIdentity } from "./process-table.ts";
import { receiveSockets } from "./socket-handover.ts";

export type SocketPlace = {
  readonly host: string;
  readonly port: number;
  readonly handoverPath: string;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** A node that went on serving without a watchdog looks for the new one five times a second. */
const HELLO_LIMIT_MS = 3_000;
const END_LIMIT_MS = 10_000;
const POLL_MS = 20;

/** Under which this host reaches what listens there; a wildcard is reached by loopback. Null without a port. */
export function urlOf(host: string, port: number | undefined): string | null {
  if (port === undefined) return null;
  const name = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${name.includes(":") && !name.startsWith("[") ? `[${name}]` : name}:${port}`;
}

/** @returns the socket; undefined where sockets cannot be shared, so that the node has to listen by itself. */
export function openSocket({ host, port, logger }: SocketPlace): Result<ListeningSocket | undefined> {
  const opened = openListeningSocket({ host, port });
  if (opened.ok || process.platform === "linux") return opened;
  logger.warn("sockets cannot be shared here: clients are refused for a moment whenever the node is replaced");
  return ok(undefined);
}

/**
 * The socket of a living node. A node that does not give it has to go; then the port is free.
 * @param connection of the node, as soon as it has said hello
 */
export async function takeSocket(
  living: ProcessIdentity,
  place: SocketPlace,
  connection: () => NodeConnection | undefined,
): Promise<Result<ListeningSocket | undefined>> {
  const { handoverPath, clock, logger } = place;
  rmSync(handoverPath, { force: true });
  const receiver = receiveSockets(handoverPath);
  if (!receiver.ok) return receiver;
  const endMs = clock.monotonicMs() + HELLO_LIMIT_MS;
  try {
    let asked: NodeConnection | undefined;
    while (clock.monotonicMs() < endMs && isAlive(living)) {
      const node = connection();
      if (node !== asked) node?.send({ kind: "socketWanted", path: handoverPath });
      asked = node;
      const socket = receiver.value.take();
      if (socket !== undefined) return ok(socket);
      await sleep(clock, POLL_MS);
    }
  } finally {
    receiver.value.close();
    rmSync(handoverPath, { force: true });
  }
  logger.warn("a node without a watchdog did not answer; it is ended", { pid: living.pid });
  const isEnded = await endProcess(living, clock);
  return isEnded ? openSocket(place) : err(refused("in_use", `process ${living.pid} cannot be ended`));
}

async function endProcess(identity: ProcessIdentity, clock: Clock): Promise<boolean> {
  const endMs = clock.monotonicMs() + END_LIMIT_MS;
  while (isAlive(identity) && clock.monotonicMs() < endMs) {
    process.kill(identity.pid, "SIGKILL");
    await sleep(clock, POLL_MS);
  }
  return !isAlive(identity);
}
