/** Whether the native part of the database can be run from where the executable unpacks it. */
import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Finding } from "#cli";
import { finding } from "./finding.ts";
import { PROC, readOptional } from "./proc.ts";

type Mount = { readonly point: string; readonly options: readonly string[] };
export type UnpackPlace = {
  /** Under a watchdog the node unpacks into the state folder; everything else into the temporary folder. */
  readonly kind: "node" | "other";
  readonly path: string;
  /** Where its file system is mounted; null where the system does not say. */
  readonly mount: Mount | null;
};

export function unpackFindings(places: readonly UnpackPlace[]): readonly Finding[] {
  const refused = places.filter(({ mount }) => mount?.options.includes("noexec") === true);
  if (refused.length === 0) return [finding("temporary folder", "ok", "programs may be run from it")];
  return refused.map(({ kind, path, mount }) => {
    const why = `${path} is on ${mount?.point}, which is mounted noexec, and the database's native part is run from it`;
    const remount = `mount -o remount,exec ${mount?.point}`;
    return kind === "node"
      ? finding("temporary folder", "fail", `${why}: the node cannot start`, `Name another with --state, or ${remount}`)
      : finding(
          "temporary folder",
          "warn",
          `${why}: drover run fails`,
          `Set BUN_TMPDIR to another folder, or ${remount}`,
        );
  });
}

export function lookAtUnpacking(
  stateDir: string,
  env: Readonly<Record<string, string | undefined>>,
): readonly UnpackPlace[] {
  const mounts = parseMounts(readOptional(join(PROC, "self/mounts")) ?? "");
  const temporary = env["BUN_TMPDIR"] ?? tmpdir();
  return [
    { kind: "node", path: join(stateDir, "native"), mount: mountOf(join(stateDir, "native"), mounts) },
    { kind: "other", path: temporary, mount: mountOf(temporary, mounts) },
  ];
}

/** Reads /proc/self/mounts, where blanks are written in octal (fstab(5)). */
export function parseMounts(table: string): readonly Mount[] {
  return table.split("\n").flatMap((line) => {
    const [, point, , options] = line.split(" ");
    if (point === undefined || options === undefined) return [];
    const plain = point.replaceAll(/\\([0-7]{3})/g, (_whole, digits: string) =>
      String.fromCharCode(parseInt(digits, 8)),
    );
    return [{ point: plain, options: options.split(",") }];
  });
}

/** @returns the mount that a path is on, by the nearest folder that is there: the last one mounted on the longest point. */
export function mountOf(path: string, mounts: readonly Mount[]): Mount | null {
  const real = `${nearestReal(path)}/`;
  return mounts.reduce<Mount | null>((best, mount) => {
    const isOver = mount.point === "/" || real.startsWith(`${mount.point}/`);
    return isOver && mount.point.length >= (best?.point.length ?? 0) ? mount : best;
  }, null);
}

function nearestReal(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return dirname(path) === path ? path : nearestReal(dirname(path)); // It is not there yet.
  }
}
