/** The watchdog's end of watchdog.sock: takes the connection of the node, hands on its messages, sends it orders. */
import { chmodSync, rmSync } from "node:fs";
import type { Socket, UnixSocketListener } from "bun";
import { err, type Logger, ok, type Result, terminal } from "#base";
import { type NodeMessage, parseNodeMessage, type WatchdogMessage } from "../messages.ts";
import { LineBuffer } from "./line-buffer.ts";
import { LineWriter } from "./line-writer.ts";

/** A node that is connected. */
export type NodeConnection = {
  readonly send: (message: WatchdogMessage) => void;
  readonly close: () => void;
};

export type ControlListener = {
  readonly received: (message: NodeMessage, from: NodeConnection) => void;
  readonly closed: (from: NodeConnection) => void;
};

type Attached = { readonly lines: LineBuffer; readonly writer: LineWriter; readonly connection: NodeConnection };

/** Connections at once: the node, the next one, and a few that are about to go. */
const MAX_CONNECTIONS = 16;

export type ControlSocket = { readonly close: () => void };

/** Listens at `path`; what an earlier watchdog left there is removed, so the caller holds the lock of the folder. */
export function openControlSocket(path: string, listener: ControlListener, logger: Logger): Result<ControlSocket> {
  const open = new Set<Attached>();
  rmSync(path, { force: true });
  let server: UnixSocketListener<Attached>;
  try {
    server = Bun.listen<Attached>({
      unix: path,
      socket: {
        open: (socket) => {
          socket.data = attach(socket);
          open.add(socket.data);
          if (open.size > MAX_CONNECTIONS) socket.end();
        },
        data: ({ data }, bytes) => {
          for (const line of data.lines.push(bytes)) {
            const message = parseNodeMessage(line);
            if (message === undefined) logger.warn("the node sent something unknown", { line: line.slice(0, 200) });
            else listener.received(message, data.connection);
          }
          if (data.lines.isTooLong) data.connection.close();
        },
        drain: ({ data }) => data.writer.drained(),
        close: ({ data }) => {
          open.delete(data);
          listener.closed(data.connection);
        },
        error: (_socket, cause) => logger.warn("the connection of the node failed", { error: cause }),
      },
    });
    chmodSync(path, 0o600);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(terminal("unavailable", `cannot listen at ${path}: ${reason}`, "Choose a shorter state folder"));
  }
  return ok({
    close: () => {
      server.stop(true);
      rmSync(path, { force: true });
    },
  });
}

function attach(socket: Socket<Attached>): Attached {
  const writer = new LineWriter(socket);
  return {
    lines: new LineBuffer(),
    writer,
    connection: {
      send: (message) => {
        if (!writer.write(JSON.stringify(message))) socket.end();
      },
      close: () => void socket.end(),
    },
  };
}
