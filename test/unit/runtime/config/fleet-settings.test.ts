import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type JsonValue, ok, silentLogger } from "#base";
import type { FleetSetting } from "#fleet";
import { MemoryQueueStore } from "#queue";
import { processLogger } from "../../../../src/runtime/commands/settings.ts";
import { FLEET_PATHS, pendingSettings, takeUp, usableSettings } from "../../../../src/runtime/config/fleet-settings.ts";
import { readFleetSettings, writeFleetSettings } from "../../../../src/runtime/config/fleet-settings-file.ts";
import { type ConfigSources, type LoadedConfig, loadConfig } from "../../../../src/runtime/config/load.ts";
import { SettingsWatch } from "../../../../src/runtime/fleet/settings-watch.ts";
import { Chains } from "../../../../src/runtime/models/chains.ts";
import { hubSettings } from "../../../support/fleet-settings.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { valueOf } from "../../api/api-harness.ts";

const folder = temporaryFolders();
const NOWHERE = { env: { HOME: "/nonexistent" }, cwd: "/nonexistent", file: undefined, flags: {} };

function loaded(over: Partial<ConfigSources> = {}) {
  return valueOf(loadConfig({ ...NOWHERE, ...over }));
}

describe("what may be set for a fleet", () => {
  it("is no path, no secret, no address, and nothing of one host", () => {
    const forbidden =
      /^(node|http|fleet|store|update|watchdog|sandbox|hw|endpoints|processes)\b|_(file|dir|key|url|command|bytes)$/;

    expect(FLEET_PATHS.filter((path) => forbidden.test(path))).toEqual([]);
    expect(FLEET_PATHS).toEqual(expect.arrayContaining(["tiers.standard.models", "limits.attempts", "budgets.action"]));
  });
});

describe("a setting of the fleet", () => {
  const fleet = usableSettings([{ key: "limits.attempts", value: 9 }]);

  it("goes before the default, and after file, environment and flags of the node", () => {
    const file = join(folder(), "drover.toml");
    writeFileSync(file, "[limits]\nattempts = 2\n");
    const origin = (over: Partial<ConfigSources>) => {
      const { config, origins } = loaded({ fleet, ...over });
      return [config["limits.attempts"], origins["limits.attempts"]];
    };

    expect(origin({})).toEqual([9, "fleet"]);
    expect(origin({ file })).toEqual([2, file]);
    expect(origin({ env: { ...NOWHERE.env, DROVER_LIMITS_ATTEMPTS: "4" } })).toEqual([4, "DROVER_LIMITS_ATTEMPTS"]);
    expect(origin({ flags: { "limits.attempts": 7 } })[0]).toBe(7);
  });

  it("that this release does not know, or does not take, is passed over", () => {
    const rows: { key: string; value: JsonValue }[] = [
      { key: "limits.of_a_newer_release", value: 1 },
      { key: "limits.attempts", value: "many" },
      { key: "http.port", value: 80 },
      { key: "budgets.day_tokens", value: 5 },
    ];

    expect([...usableSettings(rows)]).toEqual([["budgets.day_tokens", 5]]);
  });

  it("is pending where it is not taken up: not where the node itself says what it is", () => {
    expect(pendingSettings(loaded(), fleet)).toEqual(["limits.attempts"]);
    expect(pendingSettings(loaded({ fleet }), fleet)).toEqual([]);
    expect(pendingSettings(loaded({ fleet }), new Map())).toEqual(["limits.attempts"]);
    expect(pendingSettings(loaded({ flags: { "limits.attempts": 7 } }), fleet)).toEqual([]);
  });

  it("is taken up into the configuration that every part reads, and given back to the default", () => {
    const [plain, own] = [loaded(), loaded({ flags: { "limits.attempts": 7 } })];
    const inForce = ({ config, origins }: LoadedConfig) => [config["limits.attempts"], origins["limits.attempts"]];

    expect([takeUp(plain, fleet), inForce(plain)]).toEqual([["limits.attempts"], [9, "fleet"]]);
    expect([takeUp(plain, fleet), takeUp(own, fleet), inForce(own)]).toEqual([[], [], [7, "flag for limits.attempts"]]);
    expect([takeUp(plain, new Map()), inForce(plain)]).toEqual([["limits.attempts"], [3, "default"]]);
  });

  it("holds for the next request of a part that was made before it was set", () => {
    const live = loaded();
    const chains = new Chains(live.config, () => []);
    const lines: string[] = [];
    const logger = processLogger(live.config, (line) => lines.push(line));
    const first = [chains.chain({ purpose: "task", tier: "trivial" }).models, logger.info("never"), lines.length];

    takeUp(
      live,
      usableSettings([
        { key: "tiers.trivial.models", value: ["small"] },
        { key: "log.level", value: "debug" },
      ]),
    );
    logger.debug("now");

    expect(first).toEqual([[], undefined, 1]);
    expect(chains.chain({ purpose: "task", tier: "trivial" }).models).toEqual(["small"]);
    expect(lines).toHaveLength(2);
  });

  it("is found by the next start, also when its file was damaged or is gone", () => {
    const dir = folder();

    writeFleetSettings(dir, fleet);
    const found = readFleetSettings(dir);
    writeFileSync(join(dir, "fleet-settings.json"), "{");
    const damaged = readFleetSettings(dir);
    writeFleetSettings(dir, new Map());

    expect([...found]).toEqual([["limits.attempts", 9]]);
    expect([damaged.size, readFleetSettings(dir).size]).toEqual([0, 0]);
  });
});

describe("the watch over the settings of the fleet", () => {
  it("takes up what was set when it is told, and keeps it for the next start", async () => {
    const [dir, store, live] = [folder(), new MemoryQueueStore(), loaded()];
    const settings = hubSettings({ store });
    const watch = new SettingsWatch({ settings, store, loaded: live, stateDir: dir, logger: silentLogger });

    valueOf(await settings.set("limits.attempts", 9));
    await watch.look();
    const [held, kept] = [live.config["limits.attempts"], [...readFleetSettings(dir)]];
    valueOf(await settings.unset("limits.attempts"));
    await watch.look();

    expect([held, kept, watch.pending()]).toEqual([9, [["limits.attempts", 9]], []]);
    expect([live.config["limits.attempts"], readFleetSettings(dir).size]).toEqual([3, 0]);
  });

  it("holds what was set also while it cannot be kept, and keeps it with the next look", async () => {
    const [dir, store, live] = [folder(), new MemoryQueueStore(), loaded()];
    const settings = hubSettings({ store });
    const watch = new SettingsWatch({ settings, store, loaded: live, stateDir: dir, logger: silentLogger });
    mkdirSync(join(dir, "fleet-settings.json"));

    valueOf(await settings.set("limits.attempts", 9));
    await watch.look();
    const held = live.config["limits.attempts"];
    rmSync(join(dir, "fleet-settings.json"), { recursive: true });
    await watch.look();

    expect([held, readFleetSettings(dir).size]).toEqual([9, 1]);
  });

  it("starts from what the last process kept, while the fleet cannot be asked", async () => {
    const dir = folder();
    writeFleetSettings(dir, usableSettings([{ key: "limits.attempts", value: 9 }]));
    const rows: FleetSetting[] = [];
    const watch = new SettingsWatch({
      settings: { list: async () => ok(rows) },
      store: new MemoryQueueStore(),
      loaded: loaded({ fleet: readFleetSettings(dir) }),
      stateDir: dir,
      logger: silentLogger,
    });

    expect(watch.pending()).toEqual([]);
    await watch.look();
    expect(readFleetSettings(dir).size).toBe(0);
  });
});
