/** Looking for newer releases: asked for, by itself, and while another update is under way. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { err, ok, type Result, retryable, SimulatedClock, seededRandom, silentLogger } from "#base";
import { PROBATION, RESERVE_BYTES } from "#watchdog";
import { ReleaseKeeper } from "../../../../src/watchdog/io/release-keeper.ts";
import { UpdateChecks } from "../../../../src/watchdog/update/io/update-checks.ts";
import { realClock } from "../../../support/real-clock.ts";
import { makePublisher, type ReleaseOptions, scriptOf, TARGET, writeRelease } from "../../../support/releases.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const HOUR_MS = 3_600_000;
const publisher = makePublisher(realClock.nowMs());
const servers: { stop: (closeConnections: boolean) => unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.stop(true);
});

/** Of a host on which 1.0.0 runs and no release was ever installed. */
function keeperIn(path: string, manifestUrl: string | null): ReleaseKeeper {
  const executable = join(path, "drover");
  writeFileSync(executable, scriptOf("1.0.0"), { mode: 0o755 });
  const node = {
    backup: async () => ok(undefined),
    drain: async () => ok(undefined),
    start: async () => ok(undefined),
    health: () => ({ ok: true, fault: null, boots: 1, requests: 0, serverErrors: 0 }),
    announce: () => undefined,
  };
  return new ReleaseKeeper({
    stateDir: path,
    version: "1.0.0",
    options: {
      target: TARGET,
      executable,
      roots: publisher.roots,
      channel: "stable",
      pinned: null,
      manifestUrl,
      schedule: { isOn: false, everyMs: HOUR_MS, window: null },
      reserveBytes: RESERVE_BYTES,
      policy: { probation: PROBATION, watchEveryMs: 1_000, keptReleases: 1 },
      databases: [],
      crashPoint: () => undefined,
    },
    node,
    env: () => ({}),
    clock: realClock,
    random: seededRandom(1),
    logger: silentLogger,
    ended: () => undefined,
  });
}

const REQUEST = { allowOlder: false, again: false, askedBy: null };
const release = (path: string, version: string, options: ReleaseOptions = {}): string =>
  writeRelease(path, version, realClock.nowMs(), publisher, options);

describe("a look for a newer release", () => {
  it.each([
    ["2.0.0", {}, true, null],
    ["1.0.0", {}, false, "replay"],
    ["0.9.0", {}, false, "replay"],
    ["2.0.0", { channel: "edge" }, false, "channel_wrong"],
  ])("finds %s with %j: %s, %s", async (version, manifest, available, reason) => {
    const path = folder();
    const from = release(path, version, { manifest });

    const found = await keeperIn(path, null).check(from);

    expect(found).toMatchObject({ ok: true, value: { current: "1.0.0", version, available, reason } });
    // Nothing was taken: neither what is offered nor what runs.
    expect(readdirSync(join(path, "releases")).filter((name) => name !== "trust.json")).toEqual([]);
  });

  it("of what nobody signed fails, and of nothing says what to set", async () => {
    const path = folder();
    const keeper = keeperIn(path, null);

    const unsigned = await keeper.check(release(path, "2.0.0", { keys: [makePublisher(0).key] }));
    const nothing = await keeper.check(null);

    expect(unsigned).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(nothing).toMatchObject({ ok: false, error: { remedy: "Name a release, or set update.manifest_url" } });
  });

  it("is kept when it is of the configured place", async () => {
    const path = folder();
    const keeper = keeperIn(path, release(path, "2.0.0"));

    await keeper.check(null);

    expect(keeper.view()).toMatchObject({ ok: true, value: { lastCheck: { version: "2.0.0", available: true } } });
  });
});

describe("a second update", () => {
  it("and a look are refused while the first one is fetched, and take nothing away from it", async () => {
    const path = folder();
    const from = release(path, "2.0.0");
    const [asked, answered] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: async (request) => {
        const name = new URL(request.url).pathname.slice(1);
        if (name !== "manifest.json") {
          asked.resolve();
          await answered.promise;
          return new Response("another program", { status: 404 });
        }
        return new Response(readFileSync(join(from, name)));
      },
    });
    servers.push(server);
    const url = `http://127.0.0.1:${server.port}/manifest.json`;
    const keeper = keeperIn(path, url);
    const first = keeper.update({ from: null, ...REQUEST }, "a test");
    await asked.promise;
    const [staged = ""] = readdirSync(join(path, "releases")).filter((name) => name.startsWith(".staging"));

    const second = await keeper.update({ from, ...REQUEST }, "a test");
    const look = await keeper.check(null);
    const isLeft = existsSync(join(path, "releases", staged));
    answered.resolve();

    expect([second, look]).toMatchObject([{ error: { reason: "in_progress" } }, { error: { reason: "in_progress" } }]);
    expect(isLeft).toBe(true);
    expect(await first).toMatchObject({ error: { reason: "unreachable" } });
  });
});

describe("looks by schedule", () => {
  function checks(found: readonly Result<{ readonly available: boolean }>[], isOn = true) {
    const clock = new SimulatedClock();
    const done: string[] = [];
    const schedule = { isOn, everyMs: HOUR_MS, window: null };
    const loop = new UpdateChecks({
      schedule,
      clock,
      random: seededRandom(3),
      logger: silentLogger,
      isBusy: () => false,
      check: async () => {
        done.push("check");
        return found[done.filter((what) => what === "check").length - 1] ?? ok({ available: false });
      },
      install: async () => {
        done.push("install");
        return ok(undefined);
      },
    });
    const pass = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 60_000) {
        clock.advance(60_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    return { loop, done, pass };
  }

  it("install what is newer and go on after a failure", async () => {
    const { loop, done, pass } = checks([err(retryable("unavailable", "away")), ok({ available: true })]);

    loop.start();
    await pass(4 * HOUR_MS);
    loop.stop();
    const made = done.length;
    await pass(4 * HOUR_MS);

    expect(done.slice(0, 4)).toEqual(["check", "check", "install", "check"]);
    expect(done.length).toBe(made);
  });

  it("are never made when that is switched off", async () => {
    const { loop, done, pass } = checks([ok({ available: true })], false);

    loop.start();
    await pass(8 * HOUR_MS);

    expect(done).toEqual([]);
  });
});
