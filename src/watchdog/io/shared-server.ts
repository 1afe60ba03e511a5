/**
 * `Bun.serve` on a listening socket that another process opened.
 *
 * WHY this way: `Bun.serve({ fd })` of Bun 1.4.5 ignores `fd`, and `net.Server.listen({ fd })` with `node:http` behind it
 * answers about a fifth of the requests. So the server opens a socket of its own on a free loopback port, and then the
 * inherited socket is put in its place: dup3(2) exchanges the descriptor in one step, and epoll_ctl(2) registers it with
 * the very event that the event loop had registered, which /proc/self/fdinfo shows (proc_pid_fdinfo(5)). The loop then
 * accepts from the inherited socket and knows no difference. docs/decisions/0008 has the figures.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { endianness } from "node:os";
import { err, ok, type Result, terminal } from "#base";
import { portOf } from "./listening-socket.ts";
import { SO_ACCEPTCONN, SOL_SOCKET, type SocketCalls, socketCalls } from "./socket-calls.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;

/** What is needed of a server that `Bun.serve` has opened on a free loopback port. */
export type OpenedServer = { readonly port: number | undefined };

export type SharedListener = {
  /** The shared socket as this process has it from now on, closed with the server. */
  readonly fd: number;
  /** Leaves waiting connections to whoever else holds the socket. Those that were accepted go on. Idempotent. */
  readonly stopAccepting: () => void;
  readonly resumeAccepting: () => void;
};

/** Puts the inherited listening socket `fd` in the place of the server's own. Closes nothing but the server's own. */
export function serveFromSocket(server: OpenedServer, fd: number): Result<SharedListener> {
  const calls = socketCalls;
  if (calls === undefined || endianness() !== "LE") return err(cannot("the C library's sockets are not to be had"));
  try {
    const own = ownListener(calls, server.port ?? 0);
    const registration = own === undefined ? undefined : registrationOf(own);
    if (own === undefined || registration === undefined) return err(cannot("its own socket was not found in epoll"));
    const exchanged = calls.duplicateTo(fd, own);
    if (exchanged < 0) return err(cannot(`dup3 failed with error ${-exchanged}`));
    const register = (): number => calls.epollControl(registration.epoll, EPOLL_CTL_ADD, own, registration.event);
    const registered = register();
    if (registered < 0) return err(cannot(`epoll_ctl failed with error ${-registered}`));
    let isAccepting = true;
    return ok({
      fd: own,
      stopAccepting: () => {
        if (isAccepting) calls.epollControl(registration.epoll, EPOLL_CTL_DEL, own, null);
        isAccepting = false;
      },
      resumeAccepting: () => {
        if (!isAccepting) register();
        isAccepting = true;
      },
    });
  } catch (cause) {
    return err(cannot(cause instanceof Error ? cause.message : String(cause)));
  }
}

function cannot(reason: string) {
  return terminal(
    "unsupported",
    `the listening socket cannot be taken over: ${reason}`,
    "Mount /proc, or run without the watchdog: drover node",
  );
}

/** The descriptor of the listening socket on this port. */
function ownListener(calls: SocketCalls, port: number): number | undefined {
  return descriptors().find(
    ({ fd, target }) =>
      target.startsWith("socket:") && calls.option(fd, SOL_SOCKET, SO_ACCEPTCONN) === 1 && portOf(calls, fd) === port,
  )?.fd;
}

type Registration = { readonly epoll: number; readonly event: Uint8Array };

/** Where and how the event loop waits for a descriptor. */
function registrationOf(fd: number): Registration | undefined {
  for (const epoll of descriptors()) {
    if (epoll.target !== "anon_inode:[eventpoll]") continue;
    for (const line of readFileSync(`/proc/self/fdinfo/${epoll.fd}`, "latin1").split("\n")) {
      const found = /^tfd:\s+(\d+)\s+events:\s+([0-9a-f]+)\s+data:\s+([0-9a-f]+)/.exec(line);
      const [, target = "", events = "", data = ""] = found ?? [];
      if (Number(target) === fd && found !== null) return { epoll: epoll.fd, event: epollEvent(events, data) };
    }
  }
  return undefined;
}

/** struct epoll_event: packed on x86-64 alone (epoll.h). */
function epollEvent(events: string, data: string): Uint8Array {
  const dataAt = process.arch === "x64" ? 4 : 8;
  const bytes = new Uint8Array(dataAt + 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Number.parseInt(events, 16), true);
  view.setBigUint64(dataAt, BigInt(`0x${data}`), true);
  return bytes;
}

function descriptors(): readonly { readonly fd: number; readonly target: string }[] {
  return readdirSync("/proc/self/fd").flatMap((name) => {
    try {
      return [{ fd: Number(name), target: readlinkSync(`/proc/self/fd/${name}`) }];
    } catch {
      return []; // The descriptor of this very look.
    }
  });
}
