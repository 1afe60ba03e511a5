/** A node under a watchdog: what it was given at its start, and what it says and is told while it runs. */
import { readFileSync } from "node:fs";
import type { Api, HttpServer } from "#api";
import type { Logger } from "#base";
import { inheritedSocket, type ListeningSocket, type Pulse } from "#watchdog";
import type { StopMode } from "./engine.ts";
import { GENERATION_VARIABLES } from "./generation-variables.ts";
import { realClock } from "./real-clock.ts";
import { version } from "./version.ts";
import { WatchdogLink } from "./watchdog-link.ts";

export type Supervision = {
  /** Path of watchdog.sock. */
  readonly controlPath: string;
  readonly generation: number;
  /** Absent where sockets cannot be shared: then the node listens by itself. */
  readonly socket?: ListeningSocket;
};

/** What the environment says of a watchdog. The variables are taken out of it: nothing that the node starts is meant. */
export function takeSupervision(env: Record<string, string | undefined>): Supervision | null {
  const { control, generation, listenFd } = GENERATION_VARIABLES;
  const [controlPath, number, fd] = [env[control], env[generation], env[listenFd]];
  for (const name of Object.values(GENERATION_VARIABLES)) delete env[name];
  if (controlPath === undefined || number === undefined) return null;
  const socket = fd === undefined ? undefined : inheritedSocket(Number(fd));
  return { controlPath, generation: Number(number), ...(socket === undefined ? {} : { socket }) };
}

/** To be attached to the node once there is one. */
export function linkToWatchdog({ controlPath, generation }: Supervision, logger: Logger): WatchdogLink {
  const options = { path: controlPath, pid: process.pid, generation, version, clock: realClock, logger };
  const link = new WatchdogLink(options);
  link.start();
  return link;
}

export function attachNode(
  link: WatchdogLink,
  node: {
    readonly api: Api;
    readonly server: HttpServer;
    readonly pulses: () => readonly Pulse[];
    readonly stop: (mode: StopMode) => Promise<void>;
  },
): void {
  link.attach({
    listeningFd: node.server.sharedFd,
    vitals: () => ({ rssBytes: residentBytes(), ...node.server.figures(), pulses: node.pulses() }),
    ordered: (order) => {
      switch (order.kind) {
        case "drain":
          void node.stop("leave");
          break;
        case "stop":
          void node.stop(order.mode);
          break;
        case "maintenance":
          node.api.announceMaintenance(order.on ? { version: order.version } : undefined);
          break;
      }
    },
  });
}

/** From /proc where there is one: `process.memoryUsage()` walks the heap, and this is asked every second. */
function residentBytes(): number {
  try {
    const pages = Number(readFileSync("/proc/self/statm", "latin1").split(" ")[1]);
    return pages * PAGE_BYTES;
  } catch {
    return process.memoryUsage().rss;
  }
}

/** On x64 and on nearly all arm64 systems; where it is 16 KiB the figure is a quarter of the truth, and only shown. */
const PAGE_BYTES = 4_096;
