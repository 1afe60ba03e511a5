/** Faults put into a real state folder, and whether the real `diagnose` names the right cause. */
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom, silentLogger } from "#base";
import { openStores } from "#store";
import { identify, parseVersion, takeInstanceLock } from "#watchdog";
import { diagnose } from "../../../src/runtime/commands/diagnose.ts";
import { writeHistoryRow } from "../../../src/watchdog/update/history.ts";
import { writeJournal } from "../../../src/watchdog/update/journal.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** No process has so high a number (pid_max is 4,194,304 at most). */
const DEAD = 4_194_305;

type Fault = {
  readonly what: string;
  /** Damages the folder. @returns lines of the configuration, or another state folder, where they matter. */
  readonly put: (
    state: string,
  ) => Promise<{ config?: string; state?: string } | undefined> | { config?: string; state?: string } | undefined;
  readonly found: {
    readonly name: string;
    readonly level: "warn" | "fail";
    readonly says: string;
    readonly next: string;
  };
};

async function withDatabases(state: string): Promise<void> {
  const random = seededRandom(1);
  const stores = await openStores(state, { clock: realClock, logger: silentLogger, random });
  if (!stores.ok) throw new Error(stores.error.message);
  const closed = await stores.value.close();
  expect(closed).toBeUndefined();
}

function hold(state: string): void {
  const lock = takeInstanceLock(join(state, "watchdog.lock"));
  if (!lock.ok) throw new Error(lock.error.message);
  cleanups.push(lock.value.release);
}

function watchdogJson(state: string, fields: object): undefined {
  const file = { pid: DEAD, version: "1.0.0", startedAtMs: Date.now(), url: null, node: null, others: {}, ...fields };
  writeFileSync(join(state, "watchdog.json"), JSON.stringify(file));
  return undefined;
}

function releasesIn(state: string): string {
  const path = join(state, "releases");
  mkdirSync(path);
  return path;
}

const versionOf = (text: string) => {
  const version = parseVersion(text);
  if (version === undefined) throw new Error(`${text} is no version`);
  return version;
};

function journalOf(step: "draining" | "probation"): string {
  return writeJournal({
    id: "try-1",
    kind: "update",
    version: versionOf("2.0.0"),
    from: versionOf("1.0.0"),
    previousBefore: null,
    askedBy: "a test",
    startedAtMs: 1,
    step,
    steps: [{ step, atMs: 1 }],
    boots: 0,
    stateCopy: null,
    minimumVersion: null,
    reason: null,
  });
}

function historyOf(result: "rolledBack" | "abandoned", reason: string): string {
  return `${writeHistoryRow({
    id: "try-1",
    kind: "update",
    version: versionOf("2.0.0"),
    from: versionOf("1.0.0"),
    askedBy: "a test",
    startedAtMs: 1,
    endedAtMs: 2,
    result,
    reason,
    steps: [],
    checks: [],
  })}\n`;
}

const FAULTS: readonly Fault[] = [
  {
    what: "the configuration has a setting that there is none of",
    put: () => ({ config: "[http]\nprot = 1\n" }),
    found: { name: "configuration", level: "fail", says: "prot", next: "" },
  },
  {
    what: "two endpoints have one address",
    put: () => ({ config: '[[endpoints]]\nurl = "http://a:1"\n[[endpoints]]\nurl = "http://a:1"\n' }),
    found: { name: "configuration", level: "fail", says: "endpoints", next: "" },
  },
  {
    what: "the state folder is a file",
    put: (state) => {
      writeFileSync(join(state, "file"), "");
      return { state: join(state, "file") };
    },
    found: { name: "state", level: "fail", says: "is not a folder", next: "--state" },
  },
  {
    what: "another program has the port",
    put: () => {
      const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
      cleanups.push(() => server.stop(true));
      return { config: `[http]\nport = ${server.port}\n` };
    },
    found: { name: "port", level: "fail", says: `(process ${process.pid}) listens on 127.0.0.1`, next: "http.port" },
  },
  {
    what: "another program has the port on every address",
    put: () => {
      const server = Bun.listen({ hostname: "0.0.0.0", port: 0, socket: { data: () => undefined } });
      cleanups.push(() => server.stop(true));
      return { config: `[http]\nport = ${server.port}\n` };
    },
    found: { name: "port", level: "fail", says: `(process ${process.pid}) listens on`, next: "http.port" },
  },
  {
    what: "a process that is no watchdog holds the lock",
    put: (state) => {
      hold(state);
      return undefined;
    },
    found: { name: "lock", level: "fail", says: "there is no watchdog.json", next: `ps -fp ${process.pid}` },
  },
  {
    what: "the lock is held by another process than watchdog.json names",
    put: (state) => {
      hold(state);
      return watchdogJson(state, {});
    },
    found: { name: "lock", level: "fail", says: `watchdog.json names process ${DEAD}`, next: "ps -fp" },
  },
  {
    what: "safe mode is on",
    put: (state) => {
      hold(state);
      return watchdogJson(state, { pid: process.pid, safeMode: "it ended with exit code 3" });
    },
    found: { name: "watchdog", level: "fail", says: "it ended with exit code 3", next: "drover node restart" },
  },
  {
    what: "the clock was set since the watchdog started",
    put: (state) => {
      hold(state);
      return watchdogJson(state, { pid: process.pid, startedAtMs: Date.now() - 10 * 24 * 3_600_000 });
    },
    found: { name: "clock", level: "warn", says: "was set forward", next: "timedatectl" },
  },
  {
    what: "a killed watchdog left its file",
    put: (state) => watchdogJson(state, {}),
    found: { name: "lock", level: "warn", says: `left by process ${DEAD}`, next: "drover up" },
  },
  {
    what: "a node goes on without its watchdog",
    put: (state) => watchdogJson(state, { node: identify(process.pid) }),
    found: { name: "lock", level: "warn", says: `its node (process ${process.pid}) goes on alone`, next: "drover up" },
  },
  {
    what: "watchdog.json is half written",
    put: (state) => {
      writeFileSync(join(state, "watchdog.json"), '{"pid": 1');
      return undefined;
    },
    found: { name: "lock", level: "warn", says: "watchdog.json cannot be understood", next: "drover up" },
  },
  {
    what: "a killed node left its file",
    put: (state) => {
      writeFileSync(join(state, "node.json"), JSON.stringify({ url: "http://127.0.0.1:1", pid: DEAD, startedAtMs: 1 }));
      return undefined;
    },
    found: { name: "lock", level: "warn", says: `node.json was left by process ${DEAD}`, next: "drover up" },
  },
  {
    what: "a file was written in the future",
    put: (state) => {
      writeFileSync(join(state, "token"), "x");
      utimesSync(join(state, "token"), new Date("2040-01-01"), new Date("2040-01-01"));
      return undefined;
    },
    found: { name: "clock", level: "warn", says: "token was written at 2040-01-01", next: "timedatectl" },
  },
  {
    what: "fleet.db is no database",
    put: (state) => {
      writeFileSync(join(state, "fleet.db"), Buffer.alloc(8_192, 7));
      return undefined;
    },
    found: { name: "database fleet.db", level: "fail", says: "cannot be opened", next: "drover restore" },
  },
  {
    what: "fleet.db was cut off",
    put: async (state) => {
      await withDatabases(state);
      truncateSync(join(state, "fleet.db"), 12_288);
      return undefined;
    },
    found: { name: "database fleet.db", level: "fail", says: "", next: "drover restore" },
  },
  {
    what: "node.db is no database",
    put: (state) => {
      writeFileSync(join(state, "node.db"), Buffer.alloc(8_192, 7));
      return undefined;
    },
    found: { name: "database node.db", level: "fail", says: "cannot be opened", next: "move it away" },
  },
  {
    what: "the state folder was copied",
    put: async (state) => {
      await withDatabases(state);
      const copy = `${state}-copy`;
      cpSync(state, copy, { recursive: true });
      return { state: copy };
    },
    found: { name: "database fleet.db", level: "warn", says: "the state folder was copied", next: "stop the drover" },
  },
  {
    what: "fleet.db was put back by hand",
    put: async (state) => {
      await withDatabases(state);
      copyFileSync(join(state, "fleet.db"), join(state, "other.db"));
      renameSync(join(state, "other.db"), join(state, "fleet.db"));
      return undefined;
    },
    found: { name: "database fleet.db", level: "warn", says: "another file lies here", next: "" },
  },
  {
    what: "the newest backup is old",
    put: async (state) => {
      await withDatabases(state);
      mkdirSync(join(state, "backups"), { recursive: true });
      writeFileSync(join(state, "backups", "fleet-20261001T000000000Z.db"), "");
      return undefined;
    },
    found: { name: "backup", level: "warn", says: "days old", next: "drover backup" },
  },
  {
    what: "no backups are made",
    put: async (state) => {
      await withDatabases(state);
      return { config: "[store.backup]\nevery_ms = 0\n" };
    },
    found: { name: "backup", level: "warn", says: "store.backup.every_ms is 0", next: "drover backup" },
  },
  {
    what: "no root is known",
    put: () => undefined,
    found: { name: "signature keys", level: "warn", says: "no root", next: "update.public_keys" },
  },
  {
    what: "a key that is none is configured",
    put: () => ({ config: '[update]\npublic_keys = ["nonsense"]\n' }),
    found: { name: "signature keys", level: "fail", says: "nonsense is no key", next: "update.public_keys" },
  },
  {
    what: "a swap was interrupted",
    put: (state) => {
      writeFileSync(join(releasesIn(state), "journal.json"), journalOf("draining"));
      return undefined;
    },
    found: { name: "releases", level: "warn", says: "to 2.0.0 is under way: draining; it was", next: "drover up" },
  },
  {
    what: "a swap is under way",
    put: (state) => {
      hold(state);
      writeFileSync(join(releasesIn(state), "journal.json"), journalOf("probation"));
      return watchdogJson(state, { pid: process.pid });
    },
    found: { name: "releases", level: "warn", says: "is under way: probation", next: "drover releases" },
  },
  {
    what: "the journal of a swap is damaged",
    put: (state) => {
      writeFileSync(join(releasesIn(state), "journal.json"), "{");
      return undefined;
    },
    found: { name: "releases", level: "warn", says: "journal.json cannot be understood", next: "drover releases" },
  },
  {
    what: "the last release was rolled back",
    put: (state) => {
      appendFileSync(join(releasesIn(state), "history.ndjson"), historyOf("rolledBack", "too many errors"));
      return undefined;
    },
    found: { name: "releases", level: "warn", says: "was rolled back: too many errors", next: "drover update --again" },
  },
  {
    what: "the last release was abandoned",
    put: (state) => {
      appendFileSync(join(releasesIn(state), "history.ndjson"), historyOf("abandoned", "its selftest failed"));
      return undefined;
    },
    found: { name: "releases", level: "warn", says: "was abandoned before it ran: its selftest failed", next: "again" },
  },
  {
    what: "the current release is gone",
    put: (state) => {
      symlinkSync("3.0.0", join(releasesIn(state), "current"));
      return undefined;
    },
    found: { name: "releases", level: "fail", says: "release 3.0.0, which is to run, is missing", next: "rollback" },
  },
];

async function findingsAfter(put: Fault["put"]) {
  const path = folder();
  const state = join(path, "state");
  mkdirSync(state, { mode: 0o700 });
  const changed = (await put(state)) ?? {};
  const config = join(path, "drover.toml");
  writeFileSync(config, changed.config ?? "[http]\nport = 0\n");
  return diagnose({
    json: false,
    config,
    state: changed.state ?? state,
    url: undefined,
    noColor: true,
    quiet: false,
  });
}

describe("doctor names the cause when", () => {
  it.each(FAULTS)("$what", async ({ put, found }) => {
    const findings = await findingsAfter(put);

    const named = findings.find(({ name, level }) => name === found.name && level === found.level);
    expect(findings).toContain(named);
    expect(named?.detail).toContain(found.says);
    expect(named?.remedy ?? "").toContain(found.next);
  });

  it("nothing is wrong with a folder that was used and left in order", async () => {
    const findings = await findingsAfter(async (state) => {
      await withDatabases(state);
      return undefined;
    });

    const about = (name: string) => findings.filter((one) => one.name === name).map(({ level }) => level);
    for (const name of ["state", "lock", "port", "clock", "database fleet.db", "database node.db", "releases"]) {
      expect([name, about(name)]).toEqual([name, ["ok"]]);
    }
  });
});
