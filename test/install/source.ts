/** Folders of releases behind a server, for the suites of install.sh. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeKeys, type ReleaseKeys, type ReleaseParts, writeRelease } from "./release-folder.ts";
import { type ReleaseServer, serveReleases } from "./release-server.ts";
import { NEW, OLD, type Source } from "./scenario.ts";
import { stubDrover } from "./stub-drover.ts";

export type OpenSource = Source & {
  readonly folder: string;
  readonly server: ReleaseServer;
  /** Adds a release below its name, made of a stub of `version` where nothing else is said. */
  readonly add: (name: string, version: string, parts?: Partial<ReleaseParts>) => string;
  readonly close: () => Promise<void>;
};

/** Offers the two versions of the scenarios. @param answer as of `serveReleases`. */
export function openSource(answer?: Parameters<typeof serveReleases>[1]): OpenSource {
  const folder = mkdtempSync(join(tmpdir(), "drover-releases-"));
  const keys: ReleaseKeys = makeKeys();
  const add = (name: string, version: string, parts: Partial<ReleaseParts> = {}): string => {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    writeRelease(path, { version, executable: Buffer.from(stubDrover(version)), keys, ...parts });
    return path;
  };
  add(OLD, OLD);
  add(NEW, NEW);
  const server = serveReleases(folder, answer);
  const close = async (): Promise<void> => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { url: server.url, keys, folder, server, add, close };
}
