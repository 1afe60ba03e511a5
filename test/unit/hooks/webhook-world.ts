/** A node's webhooks over its real database, and senders that sign as forges do. */
import { createHmac, randomBytes } from "node:crypto";
import { join } from "node:path";
import type { WebhookPort } from "#api";
import { err, ok, type Result, refused, SimulatedClock, silentLogger } from "#base";
import { type WebhookGoal, WebhookReceiver, type WebhookSource } from "#hooks";
import { openConnection } from "../../../src/store/connection.ts";
import { LibsqlWebhookDeliveries } from "../../../src/store/hooks/webhook-deliveries.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { NODE_MIGRATIONS } from "../../../src/store/migrations/node.ts";

export type GoalAnswer = () => Promise<Result<{ readonly id: string; readonly existed: boolean }>>;

export const SOURCES: readonly WebhookSource[] = [
  { name: "hub", kind: "github", repositories: ["Octo/Hello"], goalLabel: "drover", senders: [], goalTokens: 5_000 },
  { name: "tea", kind: "gitea", repositories: [], goalLabel: "drover", senders: ["ann"], goalTokens: 5_000 },
  { name: "joe", kind: "forgejo", repositories: [], goalLabel: null, senders: [], goalTokens: 5_000 },
  { name: "lab", kind: "gitlab", repositories: [], goalLabel: "drover", senders: [], goalTokens: 5_000 },
  { name: "own", kind: "generic", repositories: [], goalLabel: null, senders: [], goalTokens: 5_000 },
];

export function webhookWorld(folder: string, given: { readonly clock?: SimulatedClock } = {}) {
  const clock = given.clock ?? new SimulatedClock();
  const connection = openConnection(join(folder, "node.db"));
  migrateDatabase(connection, NODE_MIGRATIONS, clock.nowMs());
  const deliveries = new LibsqlWebhookDeliveries(connection);
  const secrets = new Map(SOURCES.map(({ name }) => [name, [randomBytes(16).toString("hex")]]));
  const woken: string[] = [];
  const submitted: WebhookGoal[] = [];
  const answers: { goal: GoalAnswer } = { goal: async () => ok({ id: "g_1", existed: false }) };
  const open = (): WebhookReceiver =>
    new WebhookReceiver({
      sources: SOURCES,
      secretsOf: (name) => ok(secrets.get(name) ?? []),
      deliveries,
      wake: (reason) => woken.push(reason),
      goals: {
        submit: (goal) => {
          submitted.push(goal);
          return answers.goal();
        },
      },
      nameRepository: (_kind, name) =>
        name.toLowerCase() === "octo/hello" ? ok("hello") : err(refused("not_found", `nothing is ${name}`)),
      toleranceMs: 300_000,
      clock,
      logger: silentLogger,
    });
  const receiver = open();
  const secretOf = (source: string): string => secrets.get(source)?.[0] ?? "";
  const hmac = (source: string, ...parts: readonly string[]): string => {
    const made = createHmac("sha256", secretOf(source));
    for (const part of parts) made.update(part);
    return made.digest("hex");
  };
  /** The headers that GitHub sends. */
  const github = (event: string, id: string, body: string): Record<string, string> => ({
    "x-github-event": event,
    "x-github-delivery": id,
    "x-hub-signature-256": `sha256=${hmac("hub", body)}`,
  });
  const receive = (source: string, headers: Record<string, string>, body: string) =>
    receiver.receive(source, (name) => headers[name], new TextEncoder().encode(body));
  const close = (): void => connection.close();
  const world = { clock, connection, deliveries, secrets, woken, submitted, answers, receiver, close };
  return { ...world, open, secretOf, hmac, github, receive, port: portOf(receiver) };
}

function portOf(receiver: WebhookReceiver): WebhookPort {
  return {
    maxBodyBytes: 4_096,
    receive: (source, header, body) => receiver.receive(source, header, body),
    redeliver: (n) => receiver.redeliver(n),
    standing: () => receiver.standing(),
    list: (query) => receiver.list(query),
    find: (n) => receiver.find(n),
  };
}

export const PUSH = JSON.stringify({
  ref: "refs/heads/main",
  repository: { full_name: "octo/hello" },
  sender: { login: "octo" },
});
