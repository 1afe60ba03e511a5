import type { KnipConfig } from "knip";

/** Entries with "!" ship; `--production` looks at those alone. */
const config: KnipConfig = {
  entry: [
    "src/main.ts!",
    // Started by URL as worker threads: the list is build/entrypoints.ts.
    "src/**/*-worker.ts!",
    "build/{main,check,check-arm64,binary-setup,sign,stamp-installer}.ts",
    "test/**/*.test.ts",
    "test/bench/*/main.ts",
    "test/bench/routing/real-fleet.ts",
    "test/crash/**/{main,attacker}.ts",
    // Programs that tests start by path.
    "test/**/*-main.ts",
    "test/simulation/*/main.ts",
  ],
  project: ["src/**/*.ts!", "build/**/*.{ts,mjs}", "test/**/*.ts"],
  // A room exports the types that its functions speak in, whether or not somebody writes their names.
  exclude: ["types"],
  // A named limit is exported for those who must obey it, also before somebody has to.
  ignoreExportsUsedInFile: true,
  // Run by build/check.ts through their files; no import names them.
  // of the system; tests ask before they use them
  ignoreBinaries: [
    "mkfifo",
    "mount",
    "openssl",
    "qemu-system-aarch64",
    "strace",
    "systemd-analyze",
    "umount",
    "unshare",
  ],
  ignoreDependencies: ["oxlint", "oxlint-tsgolint"],
};

export default config;
