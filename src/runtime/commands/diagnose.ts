import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { describeFailure } from "#base";
import type { Finding, GlobalOptions } from "#cli";
import { confinementText, sandboxSupport, WorkspaceFiles } from "#execution";
import type { Config } from "../config/settings.ts";
import { checkEndpoints } from "../models/known-endpoints.ts";
import { stateDirOf } from "../program.ts";
import { sandboxFindings } from "./sandbox-findings.ts";
import { settingsOf } from "./settings.ts";

/** Enough for databases, logs and a few worktrees; the node itself refuses work below 32 MiB. */
const LITTLE_DISK_BYTES = 1024 * 1024 * 1024;

/** What keeps work from being done here, as far as it can be seen without a node. */
export async function diagnose(options: GlobalOptions): Promise<readonly Finding[]> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return [finding("configuration", "fail", loaded.error.message, loaded.error.remedy ?? null)];
  const { config, file } = loaded.value;
  const endpoints = checkEndpoints(config);
  return [
    endpoints.ok
      ? finding("configuration", "ok", file === null ? "no file; defaults and environment" : file)
      : finding("configuration", "fail", endpoints.error.message, endpoints.error.remedy ?? null),
    stateFinding(options, config),
    ...sandboxFindings(config, sandboxSupport()),
    fileToolsFinding(),
    gitFinding(),
  ];
}

function stateFinding(options: GlobalOptions, config: Config): Finding {
  const dir = stateDirOf(options.state, config);
  if (!dir.ok) return finding("state", "fail", describeFailure(dir.error));
  const place = nearestExisting(dir.value);
  try {
    accessSync(place, constants.W_OK | constants.X_OK);
  } catch {
    return finding(
      "state",
      "fail",
      `${place} cannot be written`,
      "Give it to this user, or choose another with --state",
    );
  }
  const disk = statfsSync(place);
  const freeBytes = disk.bavail * disk.bsize;
  const freeMiB = Math.floor(freeBytes / 1024 / 1024);
  return freeBytes < LITTLE_DISK_BYTES
    ? finding(
        "state",
        "warn",
        `${dir.value}: only ${freeMiB} MiB are free`,
        "Free some space, or choose another with --state",
      )
    : finding("state", "ok", `${dir.value}: ${freeMiB} MiB free`);
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
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

function finding(name: string, level: Finding["level"], detail: string, remedy: string | null = null): Finding {
  return { name, level, detail, remedy };
}
