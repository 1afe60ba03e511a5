/** A node that was without its hub for long, with the outbox that it has on the disk. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type CommandId,
  createIdFactory,
  err,
  type Logger,
  ok,
  type Result,
  refused,
  retryable,
  SimulatedClock,
  seededRandom,
  silentLogger,
} from "#base";
import type { FleetCommand, Outbox, QueueLink, ReplicaView } from "#fleet";
import { Courier } from "../../../src/fleet/courier.ts";
import { type Connection, openConnection } from "../../../src/store/connection.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { NODE_MIGRATIONS } from "../../../src/store/migrations/node.ts";
import { LibsqlOutbox } from "../../../src/store/outbox.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { valueOf } from "../api/api-harness.ts";

const folder = temporaryFolders();
const MANY = 10_000;
/** As large as a prompt with some context is. */
const TEXT = "x".repeat(2_000);
/** A request holds 2 MiB of commands; what it is made of and its answer are there besides. */
const MEMORY_BYTES = 64 * 1024 * 1024;
const LIMIT_MS = 20_000;
/** On a busy machine; one commit for each of a request's commands would take seconds. */
const PAUSE_MS = 1_000;
/** At least half of what the courier waits after its first failure. */
const FIRST_PAUSE_MS = 250;

/** With so many commands in it, each of about so many bytes. */
function filledOutbox(many: number): { outbox: LibsqlOutbox; sent: readonly CommandId[]; connection: Connection } {
  const connection = openConnection(join(folder(), "node.db"));
  valueOf(migrateDatabase(connection, NODE_MIGRATIONS, 1));
  const outbox = new LibsqlOutbox(connection);
  const ids = createIdFactory(new SimulatedClock(), seededRandom(4));
  connection.exec("BEGIN");
  const sent = Array.from({ length: many }, (_unused, n) => {
    const command: FleetCommand = { id: ids.command(), kind: "cancel", args: { taskId: ids.task(), why: TEXT } };
    valueOf(outbox.append(command, n));
    return command.id;
  });
  connection.exec("COMMIT");
  return { outbox, sent, connection };
}

type Hub = { readonly arrived: CommandId[]; readonly sizes: number[]; readonly link: QueueLink };

/** It does everything at once. */
function obedientHub(): Hub {
  const [arrived, sizes]: [CommandId[], number[]] = [[], []];
  const commands: QueueLink["commands"] = async (sent) => {
    await new Promise((resolve) => setTimeout(resolve, 0)); // as an answer over a network comes: not in the same turn
    arrived.push(...sent.map(({ id }) => id));
    sizes.push(JSON.stringify(sent).length);
    return ok({ epoch: 1, seq: arrived.length, results: sent.map(({ id }) => ({ id, ok: true, value: null })) });
  };
  return { arrived, sizes, link: { commands } as QueueLink }; // `as`: a courier sends commands and nothing else
}

/** A replica that shows nothing yet. */
const unknowing: ReplicaView = {
  position: () => undefined,
  follow: () => undefined,
  reached: async () => false,
  shown: async () => ok(new Set()),
};

function courierOf(outbox: Outbox, link: QueueLink, logger: Logger = silentLogger): Courier {
  return new Courier({
    outbox,
    link,
    replica: unknowing,
    clock: realClock,
    random: seededRandom(5),
    logger,
  });
}

describe("a node with ten thousand commands in its outbox", () => {
  it("O2: brings them in order, a bounded part of them in memory, and keeps no timer waiting for long", async () => {
    const { outbox, sent, connection } = filledOutbox(MANY);
    const { arrived, sizes, link } = obedientHub();
    const courier = courierOf(outbox, link);
    Bun.gc(true);
    const before = process.memoryUsage().heapUsed;
    const seen = { bytes: 0, pauseMs: 0, lastMs: performance.now() };
    const beat = setInterval(() => {
      seen.pauseMs = Math.max(seen.pauseMs, performance.now() - seen.lastMs);
      seen.bytes = Math.max(seen.bytes, process.memoryUsage().heapUsed - before);
      seen.lastMs = performance.now();
    }, 5);

    courier.start();
    await waitUntil("all of them have arrived", () => arrived.length >= sent.length, LIMIT_MS);
    await waitUntil("all answers are kept", () => valueOf(outbox.count()).waiting === 0);
    courier.stop();
    clearInterval(beat);

    expect(arrived).toEqual(sent);
    expect(Math.max(...sizes)).toBeLessThan(3 * 1024 * 1024);
    expect(seen.bytes).toBeLessThan(MEMORY_BYTES);
    expect(seen.pauseMs).toBeLessThan(PAUSE_MS);
    connection.close();
  });
});

/** On a disk that has become full. */
class FullOutbox extends LibsqlOutbox {
  override answered(): Result<void> {
    return err(retryable("disk_full", "keep answers: the disk is full"));
  }
}

describe("a node that cannot keep what its hub answers", () => {
  it("O1: asks again after a pause that grows, and not without end", async () => {
    const { outbox, sent, connection } = filledOutbox(3);
    const { arrived, link } = obedientHub();
    const courier = courierOf(new FullOutbox(connection), link);

    courier.start();
    await waitUntil("they arrived", () => arrived.length >= sent.length);
    await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS / 2));
    courier.stop();

    expect(arrived).toEqual(sent);
    expect(courier.isReaching).toBe(false);
    expect(valueOf(outbox.count()).waiting).toBe(sent.length);
    connection.close();
  });
});

describe("a node whose hub refuses what was accepted without it", () => {
  it("says so in its log, with the reason, and goes on", async () => {
    const { outbox, sent, connection } = filledOutbox(2);
    const failure = refused("limit", "the queue is full");
    const commands: QueueLink["commands"] = async (all) =>
      ok({ epoch: 1, seq: 1, results: all.map(({ id }) => ({ id, ok: false, failure })) });
    const told: string[] = [];
    const logger = {
      ...silentLogger,
      error: (text: string, fields?: object) => told.push(`${text} ${JSON.stringify(fields)}`),
    };
    const courier = courierOf(outbox, { commands } as QueueLink, logger); // `as`: a courier sends nothing else

    courier.start();
    await waitUntil("both were answered", () => valueOf(outbox.count()).waiting === 0);
    courier.stop();

    expect(told).toHaveLength(sent.length);
    for (const [index, id] of sent.entries()) {
      expect(told[index]).toMatch(/refused what this node had accepted.*queue is full/);
      expect(told[index]).toContain(id);
    }
    connection.close();
  });
});
