import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ok, SimulatedClock, seededRandom, silentLogger } from "#base";
import { PROBATION } from "#watchdog";
import { ReleaseKeeper } from "../../../../src/watchdog/io/release-keeper.ts";
import { MAX_LINE_BYTES } from "../../../../src/watchdog/messages.ts";
import { writeHistoryRow } from "../../../../src/watchdog/update/history.ts";
import { TARGET, v } from "../../../support/releases.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
/** As many rows as are ever kept, each with what a selftest of some steps says. */
const ROWS = 600;

function keeperOf(stateDir: string): ReleaseKeeper {
  const clock = new SimulatedClock();
  return new ReleaseKeeper({
    stateDir,
    version: "1.0.0",
    options: {
      target: TARGET,
      executable: process.execPath,
      roots: [],
      channel: null,
      pinned: null,
      manifestUrl: null,
      policy: { probation: PROBATION, watchEveryMs: 1, keptReleases: 1 },
      databases: [],
      schedule: { isOn: false, everyMs: 3_600_000, window: null },
      reserveBytes: 0,
      crashPoint: () => undefined,
    },
    node: {
      backup: async () => ok(undefined),
      drain: async () => ok(undefined),
      start: async () => ok(undefined),
      health: () => ({ ok: true, fault: null, boots: 1, requests: 0, serverErrors: 0 }),
      announce: () => undefined,
    },
    env: () => ({}),
    clock,
    random: seededRandom(1),
    logger: silentLogger,
    ended: () => undefined,
  });
}

describe("the view of the releases", () => {
  it("fits into one line of the control socket, however long the history is, and holds the newest row", () => {
    const stateDir = folder();
    mkdirSync(join(stateDir, "releases"));
    const check = { name: "node", ok: true, detail: "started, databases opened ".repeat(8) };
    const rows = Array.from({ length: ROWS }, (_, n) =>
      writeHistoryRow({
        id: `try-${n}`,
        kind: "update",
        version: v("1.0.0"),
        from: null,
        askedBy: "the test",
        startedAtMs: n,
        endedAtMs: n,
        result: "committed",
        reason: null,
        steps: [],
        checks: Array.from({ length: 12 }, () => check),
      }),
    );
    writeFileSync(join(stateDir, "releases", "history.ndjson"), `${rows.join("\n")}\n`);

    const text = JSON.stringify(keeperOf(stateDir).view());

    expect(text.length).toBeLessThan(MAX_LINE_BYTES);
    expect(text).toContain(`"try-${ROWS - 1}"`);
  });
});
