/** The native part of the database needs libgcc_s.so.1, which small images of containers lack. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Finding } from "#cli";
import { finding } from "./finding.ts";
import { PROC, readOptional } from "./proc.ts";

const LIBRARY = "libgcc_s.so.1";
/** Where Debian, Red Hat, Arch, SUSE and Alpine put it. */
const FOLDERS = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib/aarch64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
  "/usr/local/lib",
];

export type LibgccFacts = { readonly isNeeded: boolean; readonly foundIn: string | null };

export function libgccFindings({ isNeeded, foundIn }: LibgccFacts): readonly Finding[] {
  if (!isNeeded) return [];
  if (foundIn !== null) return [finding(LIBRARY, "ok", foundIn)];
  const remedy = "Install it: apk add libgcc, apt-get install libgcc-s1, or dnf install libgcc";
  return [finding(LIBRARY, "fail", `${LIBRARY} is missing, so the databases cannot be opened`, remedy)];
}

/** @param root "/" but for tests. */
export function lookForLibgcc(root: string, env: Readonly<Record<string, string | undefined>>): LibgccFacts {
  const given = (env["LD_LIBRARY_PATH"] ?? "").split(":").filter((folder) => folder !== "");
  const folder = [...given, ...FOLDERS.map((each) => join(root, each))].find((each) => existsSync(join(each, LIBRARY)));
  const cache = join(root, "etc/ld.so.cache");
  // The cache of the dynamic linker names the files that it finds, wherever they are.
  const isCached = readOptional(cache)?.includes(`${LIBRARY}\0`) === true;
  const isLoaded = root === "/" && readOptional(join(PROC, "self/maps"))?.includes(LIBRARY) === true;
  return {
    isNeeded: process.platform === "linux",
    foundIn: folder ?? (isCached ? `named in ${cache}` : isLoaded ? "loaded" : null),
  };
}
