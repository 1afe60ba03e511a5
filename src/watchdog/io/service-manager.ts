import { libc } from "./libc.ts";

/** What the service manager is told (sd_notify(3)); without one, each call does nothing. */
export interface ServiceManager {
  ready(): void;
  /** A configuration or a release is being taken over; `ready` ends it. */
  reloading(): void;
  stopping(): void;
  /** To be called more often than `aliveWithinMs`. */
  alive(): void;
  /** One line for `systemctl status`. */
  status(text: string): void;
  /** Silence after which the manager restarts the watchdog; null when it does not watch. */
  readonly aliveWithinMs: number | null;
}

/** @param env of this process: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. */
export function serviceManager(env: Readonly<Record<string, string | undefined>>): ServiceManager {
  const path = env["NOTIFY_SOCKET"] ?? "";
  const address = path.startsWith("@") ? `\0${path.slice(1)}` : path; // An abstract name is written with an at sign.
  const tell = (text: string): void => {
    if (path !== "") libc?.sendDatagram(address, text);
  };
  const limit = Number(env["WATCHDOG_USEC"] ?? "");
  const isMeant = env["WATCHDOG_PID"] === undefined || env["WATCHDOG_PID"] === String(process.pid);
  return {
    ready: () => tell("READY=1"),
    reloading: () => tell(`RELOADING=1\nMONOTONIC_USEC=${libc?.monotonicMicroseconds() ?? 0}`),
    stopping: () => tell("STOPPING=1"),
    alive: () => tell("WATCHDOG=1"),
    status: (text) => tell(`STATUS=${text.replaceAll("\n", " ")}`),
    aliveWithinMs: path !== "" && isMeant && limit > 0 ? Math.floor(limit / 1_000) : null,
  };
}
