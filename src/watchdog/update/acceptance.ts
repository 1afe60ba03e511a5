import { err, ok, type Result } from "#base";
import type { Manifest, ReleaseFile } from "./manifest.ts";
import { type Refusal, refuse } from "./refusal.ts";
import { instant } from "./trust.ts";
import { compareVersions, type Version } from "./version.ts";

/** What a signed manifest is held against. */
export type AcceptanceFacts = {
  readonly nowMs: number;
  /** Platform of this executable, such as `linux-x64`. */
  readonly target: string;
  readonly floor: Version | null;
  readonly current: Version | null;
  /** Null takes any. */
  readonly channel: string | null;
  /** The one version that the configuration permits; null for any. */
  readonly pinned: Version | null;
  /** Number of migrations that the databases have; null where there is none yet. */
  readonly schema: { readonly fleet: number | null; readonly node: number | null };
  /** A person with the operator's role wants an older version. The floor holds all the same. */
  readonly mayBeOlder: boolean;
};

type Rule = (manifest: Manifest, facts: AcceptanceFacts) => Refusal | undefined;

/** In this order: what is wrong with the release itself, then what this node does not want. */
const RULES: readonly Rule[] = [
  (manifest, { nowMs }) =>
    manifest.expiresAtMs <= nowMs
      ? refuse("manifest_expired", `release ${manifest.version} expired at ${instant(manifest.expiresAtMs)}`)
      : undefined,
  (manifest) =>
    compareVersions(manifest.minimumVersion, manifest.version) > 0
      ? refuse("malformed", `release ${manifest.version} forbids itself: its minimum is ${manifest.minimumVersion}`)
      : undefined,
  (manifest, { target }) =>
    manifest.files.every((file) => file.target !== target)
      ? refuse(
          "target_wrong",
          `release ${manifest.version} has files for ${manifest.files.map((file) => file.target).join(", ") || "nothing"}, and this node is ${target}`,
        )
      : undefined,
  (manifest, { floor }) => belowFloor(manifest.version, floor),
  (manifest, { current, mayBeOlder }) => {
    const order = current === null ? 1 : compareVersions(manifest.version, current);
    if (order > 0 || (order < 0 && mayBeOlder)) return undefined;
    return order === 0
      ? refuse("replay", `release ${manifest.version} runs already`)
      : refuse("replay", `release ${manifest.version} is older than ${current}, which runs`);
  },
  (manifest, { channel }) =>
    channel !== null && channel !== manifest.channel
      ? refuse(
          "channel_wrong",
          `release ${manifest.version} is of channel ${manifest.channel}, and this node follows ${channel}`,
        )
      : undefined,
  (manifest, { pinned }) =>
    pinned !== null && pinned !== manifest.version
      ? refuse("not_pinned", `release ${manifest.version} is not ${pinned}, to which this node is pinned`)
      : undefined,
  (manifest, { schema }) => {
    for (const name of ["fleet", "node"] as const) {
      const has = schema[name];
      const { min, max } = manifest.schema[name];
      if (has !== null && (has < min || has > max)) {
        return refuse(
          "schema_too_old",
          `release ${manifest.version} opens ${name} databases of schema ${min} to ${max}, and this one has ${has}`,
        );
      }
    }
    return undefined;
  },
];

/** @returns the file for this machine, or the first reason why the release is not taken. */
export function acceptRelease(manifest: Manifest, facts: AcceptanceFacts): Result<ReleaseFile, Refusal> {
  for (const rule of RULES) {
    const refusal = rule(manifest, facts);
    if (refusal !== undefined) return err(refusal);
  }
  const file = manifest.files.find(({ target }) => target === facts.target);
  return file === undefined ? err(refuse("target_wrong", `no file for ${facts.target}`)) : ok(file);
}

/** The floor holds for every way to a version, going back included. */
export function belowFloor(version: Version, floor: Version | null): Refusal | undefined {
  return floor !== null && compareVersions(version, floor) < 0
    ? refuse("below_floor", `release ${version} is below the floor ${floor}`)
    : undefined;
}
