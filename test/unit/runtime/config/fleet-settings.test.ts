import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type JsonValue, ok, silentLogger } from "#base";
import type { FleetSetting } from "#fleet";
import { MemoryQueueStore } from "#queue";
import { FLEET_PATHS, pendingSettings, usableSettings } from "../../../../src/runtime/config/fleet-settings.ts";
import { readFleetSettings, writeFleetSettings } from "../../../../src/runtime/config/fleet-settings-file.ts";
import { type ConfigSources, loadConfig } from "../../../../src/runtime/config/load.ts";
import { SettingsWatch } from "../../../../src/runtime/fleet/settings-watch.ts";
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

  it("is pending where the next start would change something: not where the node itself says what it is", () => {
    expect(pendingSettings(loaded(), fleet)).toEqual(["limits.attempts"]);
    expect(pendingSettings(loaded({ fleet }), fleet)).toEqual([]);
    expect(pendingSettings(loaded({ fleet }), new Map())).toEqual(["limits.attempts"]);
    expect(pendingSettings(loaded({ flags: { "limits.attempts": 7 } }), fleet)).toEqual([]);
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
  it("keeps what was set when it is told, and says what the next start takes up", async () => {
    const [dir, store] = [folder(), new MemoryQueueStore()];
    const settings = hubSettings({ store });
    const watch = new SettingsWatch({ settings, store, loaded: loaded(), stateDir: dir, logger: silentLogger });

    valueOf(await settings.set("limits.attempts", 9));
    await watch.look();
    const pending = watch.pending();
    valueOf(await settings.unset("limits.attempts"));
    await watch.look();

    expect(pending).toEqual(["limits.attempts"]);
    expect(watch.pending()).toEqual([]);
    expect(readFleetSettings(dir).size).toBe(0);
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
    expect(watch.pending()).toEqual(["limits.attempts"]);
  });
});
