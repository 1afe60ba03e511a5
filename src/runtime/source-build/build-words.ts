/** Pure: the version that a build gets, and its command with the places filled in. */
import { compareVersions, parseVersion, type Version } from "#watchdog";

const LABEL = "source";

/**
 * A version of its own for each try, since one version is one content for ever: newer than what runs, and older than the
 * release that it comes before (`0.2.0-source.185863200`), so that the publisher's next one takes its place.
 * @param packaged of the package.json of the source, if it says one
 */
export function versionOfBuild(current: Version, packaged: Version | undefined, nowMs: number): Version {
  const seconds = Math.max(0, Math.floor((nowMs - BEGIN_MS) / 1_000));
  const isNewer = packaged !== undefined && compareVersions(packaged, current) > 0;
  const candidates = [
    ...(isNewer ? [marked(packaged, seconds)] : []),
    marked(current, seconds),
    bumped(current, seconds),
  ];
  const newer = candidates.find((one) => one !== undefined && compareVersions(one, current) > 0);
  if (newer === undefined) throw new Error(`there is no version above ${current}`);
  return newer;
}

/** 2020. A label is a number of nine digits at most, which seconds from then on are until 2051. */
const BEGIN_MS = 1_577_836_800_000;

function marked(version: Version, seconds: number): Version | undefined {
  const [core = "", ...labels] = version.split("-");
  const before = labels.join("-");
  const own = new RegExp(`(^|\\.)${LABEL}\\.\\d+$`);
  const stem = before === "" || own.test(before) ? before.replace(own, "") : before;
  const label = `${LABEL}.${seconds}`;
  return parseVersion(`${core}-${stem === "" ? label : `${stem}.${label}`}`);
}

function bumped(version: Version, seconds: number): Version | undefined {
  const [major, minor, patch] = (version.split("-")[0] ?? "").split(".").map(Number);
  const next = parseVersion(`${major}.${minor}.${(patch ?? 0) + 1}`);
  return next === undefined ? undefined : marked(next, seconds);
}

export type BuildPlaces = {
  readonly bun: string;
  readonly version: string;
  readonly out: string;
  /** Files with the roots that are compiled into this executable: the next one trusts them too. */
  readonly rootKeyFiles: readonly string[];
};

/** Fills `{bun}`, `{version}`, `{out}` in; a word `{root_keys}` becomes `--root-key FILE` for each. */
export function commandOf(words: readonly string[], places: BuildPlaces): readonly string[] {
  return words.flatMap((word) => {
    if (word === "{root_keys}") return places.rootKeyFiles.flatMap((file) => ["--root-key", file]);
    return [word.replaceAll(/\{(bun|version|out)\}/g, (_whole, name: "bun" | "version" | "out") => places[name])];
  });
}
