import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { describeFailure } from "#base";
import type { Finding, GlobalOptions } from "#cli";
import { confinementText, sandboxSupport, WorkspaceFiles } from "#execution";
import { readWatchdogFile } from "#watchdog";
import type { Config } from "../config/settings.ts";
import { clockFindings, lookAtClock } from "../diagnosis/clock.ts";
import { databaseFindings, lookAtDatabases } from "../diagnosis/database.ts";
import { finding } from "../diagnosis/finding.ts";
import { gpuFindings, lookAtGpus } from "../diagnosis/gpu.ts";
import { libgccFindings, lookForLibgcc } from "../diagnosis/libgcc.ts";
import { localKeyFindings } from "../diagnosis/local-key.ts";
import { lockFindings, lookAtLock, ownProcesses } from "../diagnosis/lock.ts";
import { lookAtUnpacking, unpackFindings } from "../diagnosis/mounts.ts";
import { lookAtPort, portFindings } from "../diagnosis/port.ts";
import { lookAtReleases, releaseFindings } from "../diagnosis/releases.ts";
import { lookAtStateFolder, stateFolderFindings } from "../diagnosis/state-folder.ts";
import { lookAtUnits, unitFindings, unitPlaces } from "../diagnosis/unit.ts";
import { checkEndpoints } from "../models/known-endpoints.ts";
import { stateDirOf } from "../program.ts";
import { realClock } from "../real-clock.ts";
import { trustedRoots } from "../root-keys.ts";
import { target } from "../version.ts";
import { sandboxFindings } from "./sandbox-findings.ts";
import { settingsOf } from "./settings.ts";

/** What keeps work from being done here, as far as it can be seen without a node. */
export async function diagnose(options: GlobalOptions): Promise<readonly Finding[]> {
  const loaded = settingsOf(options);
  if (!loaded.ok) {
    const { message, remedy } = loaded.error.failure;
    return [finding("configuration", "fail", message, remedy ?? null)];
  }
  const { config, file } = loaded.value;
  const endpoints = checkEndpoints(config);
  const stateDir = stateDirOf(options.state, config);
  return [
    endpoints.ok
      ? finding("configuration", "ok", file === null ? "no file; defaults and environment" : file)
      : finding("configuration", "fail", endpoints.error.message, endpoints.error.remedy ?? null),
    ...(stateDir.ok
      ? await stateFindings(stateDir.value, config)
      : [finding("state", "fail", describeFailure(stateDir.error), stateDir.error.remedy ?? null)]),
    ...gpuFindings(await lookAtGpus(realClock)),
    ...sandboxFindings(config, sandboxSupport()),
    fileToolsFinding(),
    gitFinding(),
  ];
}

/** What hangs on the state folder: who uses it, what lies in it, and what is needed to run on it. */
async function stateFindings(stateDir: string, config: Config): Promise<readonly Finding[]> {
  const place = lookAtStateFolder(stateDir);
  // Nothing in it can be looked at; what has to be done first is said.
  if (!place.isFolder || !place.isReadable)
    return [...stateFolderFindings(place), ...hostFindings(stateDir, config, [])];
  const nowMs = realClock.nowMs();
  const lock = lookAtLock(stateDir);
  const isWatched = lock.holder !== null && lock.holder !== undefined;
  const watchdog = isWatched ? readWatchdogFile(join(stateDir, "watchdog.json")) : undefined;
  return [
    ...stateFolderFindings(place),
    ...lockFindings(lock),
    ...clockFindings(lookAtClock(stateDir, nowMs, watchdog)),
    ...databaseFindings(
      await lookAtDatabases({
        stateDir,
        backupDir: config["store.backup.dir"],
        everyMs: config["store.backup.every_ms"],
        nowMs,
        user: lock.node?.isAlive === true ? lock.node.pid : undefined,
      }),
    ),
    ...releaseFindings(lookAtReleases(stateDir, config["update.public_keys"], { nowMs, isWatched })),
    ...localKeyFindings(config["update.local_key_file"], { stateDir, roots: trustedRoots(config), nowMs }),
    ...hostFindings(stateDir, config, ownProcesses(lock)),
  ];
}

/** What the host has to offer for this folder; needs nothing in it. */
function hostFindings(stateDir: string, config: Config, own: readonly number[]): readonly Finding[] {
  const executable = target === "source" ? null : process.execPath;
  return [
    ...portFindings(lookAtPort(config["http.host"], config["http.port"], own)),
    ...libgccFindings(lookForLibgcc("/", process.env)),
    ...unpackFindings(lookAtUnpacking(stateDir, process.env)),
    ...unitFindings(lookAtUnits(unitPlaces(process.env), executable, stateDir)),
  ];
}

function fileToolsFinding(): Finding {
  const files = WorkspaceFiles.open(tmpdir());
  if (!files.ok) return finding("file tools", "warn", describeFailure(files.error));
  const { method } = files.value;
  files.value.close();
  return finding("file tools", method === "checked" ? "warn" : "ok", confinementText[method]);
}

function gitFinding(): Finding {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  return folders.some((folder) => folder !== "" && existsSync(join(folder, "git")))
    ? finding("git", "ok", "found")
    : finding("git", "warn", "git is not in PATH, so tasks cannot work on a repository", "Install git");
}
