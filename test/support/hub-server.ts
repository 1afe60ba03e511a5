/** A real libSQL server of a hub for tests, kept alive as a node without a watchdog keeps it, and questions to it. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { ok, type Result, seededRandom, silentLogger } from "#base";
import { KEPT_POLICY, KeptProcesses, type KeptReport } from "#watchdog";
import { type HubServer, startHubServer } from "../../src/runtime/fleet/server.ts";
import { openConnection } from "../../src/store/connection.ts";
import { realClock } from "./real-clock.ts";
import { waitUntil } from "./wait-until.ts";

/** A hang is seen after one probe. */
const QUICK = { ...KEPT_POLICY, probeEveryMs: 50, probeFailures: 1 };

export function keptProcesses(stateDir: string): KeptProcesses {
  const random = seededRandom(1);
  return new KeptProcesses({ stateDir, clock: realClock, random, logger: silentLogger, policy: QUICK });
}

export type OpenHub = {
  readonly kept: KeptProcesses;
  readonly server: HubServer;
  readonly report: () => KeptReport;
};

export async function openHub(
  stateDir: string,
  seed: (databaseFolder: string) => Result<unknown> = () => ok(undefined),
): Promise<OpenHub> {
  const kept = keptProcesses(stateDir);
  let last: readonly KeptReport[] = [];
  const keeper = {
    keep: (processes: Parameters<KeptProcesses["want"]>[0], listener: Parameters<KeptProcesses["want"]>[1]) =>
      kept.want(processes, (reports) => {
        last = reports;
        listener(reports);
      }),
    close: () => kept.stop(5_000),
  };
  const started = await startHubServer({ stateDir, keeper, seed, clock: realClock, logger: silentLogger });
  if (!started.ok) throw new Error(started.error.message);
  const ready = await started.value.untilReady(10_000);
  if (!ready.ok) throw new Error(ready.error.message);
  const report = (): KeptReport => {
    const [one] = last;
    if (one === undefined) throw new Error("nothing was reported");
    return one;
  };
  return { kept, server: started.value, report };
}

/** @returns when a start after `generation` serves. */
export function servesAgain(hub: OpenHub, generation: number): Promise<KeptReport> {
  return waitUntil("the server serves again", () => {
    const report = hub.report();
    return report.generation > generation && report.port !== null && report;
  });
}

type Answer = { readonly status: number; readonly rows?: readonly unknown[]; readonly error?: string };

/** Runs one statement as the server's own HTTP API takes it. */
export async function ask(url: string | null, token: string | undefined, sql: string): Promise<Answer> {
  const response = await fetch(`${url}/v2/pipeline`, {
    method: "POST",
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    body: JSON.stringify({ requests: [{ type: "execute", stmt: { sql } }, { type: "close" }] }),
  });
  if (response.status !== 200) return { status: response.status, error: await response.text() };
  // `as`: the answer of the Hrana protocol, version 2.
  const { results } = (await response.json()) as {
    readonly results: readonly {
      readonly error?: { readonly message: string };
      readonly response?: { readonly result?: { readonly rows: readonly (readonly { readonly value?: unknown }[])[] } };
    }[];
  };
  const [first] = results;
  if (first?.error !== undefined) return { status: 200, error: first.error.message };
  return { status: 200, rows: (first?.response?.result?.rows ?? []).map((row) => row[0]?.value) };
}

/** A database as a node of its own leaves it. @param journal whether its last row is in the write-ahead log alone */
export function plainDatabase(databaseFolder: string): ReturnType<typeof openConnection> {
  const path = join(databaseFolder, "data");
  mkdirSync(dirname(path), { recursive: true });
  const connection = openConnection(path);
  connection.exec("CREATE TABLE thing (name TEXT)");
  connection.exec("INSERT INTO thing VALUES ('first'), ('second')");
  return connection;
}
