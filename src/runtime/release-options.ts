import { err, FLEET_FILE, NODE_FILE, ok, type Result, refused } from "#base";
import { PROBATION, parseRootKeys, parseWindow, RESERVE_BYTES, type ReleaseOptions } from "#watchdog";
import type { Config } from "./config/settings.ts";
import { crashPoint } from "./crash-point.ts";
import { compiledRootKeys } from "./root-keys.ts";
import { target } from "./version.ts";

/** How often the health of a release on probation is looked at. */
const WATCH_EVERY_MS = 250;
/** Besides current and previous. */
const KEPT_RELEASES = 1;

/** @returns what is known of releases here, or which configured key is none. */
export function releaseOptions(config: Config): Result<ReleaseOptions> {
  const compiled = compiledRootKeys();
  if (!compiled.ok) return compiled;
  const configured = parseRootKeys(config["update.public_keys"]);
  if (!configured.ok) {
    return err(refused("invalid", `update.public_keys: ${configured.error}`, "Take the key from `build/sign.ts keys`"));
  }
  const orNull = (text: string): string | null => (text === "" ? null : text);
  return ok({
    target,
    executable: process.execPath,
    roots: [...compiled.value, ...configured.value],
    channel: orNull(config["update.channel"]),
    pinned: orNull(config["update.pin"]),
    manifestUrl: orNull(config["update.manifest_url"]),
    schedule: {
      isOn: config["update.auto"] && config["update.manifest_url"] !== "",
      everyMs: config["update.check_every_ms"],
      window: parseWindow(config["update.window"]) ?? null,
    },
    // While so little is free, what works goes on, and nothing new is taken.
    reserveBytes: Math.max(RESERVE_BYTES, config["limits.disk_low_bytes"]),
    policy: {
      probation: { ...PROBATION, windowMs: config["update.probation_ms"] },
      watchEveryMs: WATCH_EVERY_MS,
      keptReleases: KEPT_RELEASES,
    },
    databases: [FLEET_FILE, NODE_FILE],
    crashPoint: crashPoint(process.env),
  });
}
