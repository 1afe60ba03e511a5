/** Channels over the real outbox of a node, on a clock that is moved. */
import { join } from "node:path";
import { type Failure, SimulatedClock, seededRandom, silentLogger } from "#base";
import { type Channel, type ChannelPolicy, type Notice, Notifier, type OutgoingMessage, type Sent } from "#hooks";
import { openConnection } from "../../../src/store/connection.ts";
import { LibsqlNoticeOutbox } from "../../../src/store/hooks/notice-outbox.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { NODE_MIGRATIONS } from "../../../src/store/migrations/node.ts";

export function notice(changed: Partial<Notice> = {}): Notice {
  return {
    kind: "task.dead",
    severity: "warning",
    title: "Task t_1 is dead",
    message: "It failed three times: exit code 1",
    subject: "t_1",
    atMs: 1_700_000_000_000,
    key: null,
    ...changed,
  };
}

export function noticeWorld(folder: string, policies: readonly Partial<ChannelPolicy>[] = [{}]) {
  const clock = new SimulatedClock();
  const connection = openConnection(join(folder, "node.db"));
  migrateDatabase(connection, NODE_MIGRATIONS, clock.nowMs());
  const outbox = new LibsqlNoticeOutbox(connection);
  const sent: OutgoingMessage[] = [];
  const next: { fault: (Failure & { readonly retryAfterMs?: number }) | undefined } = { fault: undefined };
  const channels: readonly Channel[] = policies.map((policy, index) => ({
    policy: { name: `c${index + 1}`, kinds: ["*"], leastSeverity: "info", quiet: null, perHour: 60, ...policy },
    kind: "http",
    target: "hooks.example",
    sender: {
      send: async (message): Promise<Sent> => {
        sent.push(message);
        return next.fault === undefined ? { ok: true } : { ok: false, error: next.fault };
      },
    },
  }));
  const open = (given = channels): Notifier =>
    new Notifier({ channels: given, outbox, node: "box", clock, random: seededRandom(3), logger: silentLogger });
  return { clock, connection, outbox, sent, next, channels, open };
}

/** Lets everything that waits for nothing but its turn happen. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}
