import { defineConfig } from "vitest/config";

/**
 * Two sets of suites. `sources` needs no build and is what a developer runs all day; `binary` drives dist/drover.
 * Run one file of either by naming it: `bun --bun vitest run test/unit/queue/lanes.test.ts`.
 */
export default defineConfig({
  test: {
    // The default pool (forks) fails under Bun: "child.channel?.unref is not a function" (oven-sh/bun#33593).
    // Price of threads: process.exit or a native abort in one test ends the whole run; such tests use a child process.
    pool: "threads",
    projects: [
      {
        extends: true,
        test: {
          name: "sources",
          include: ["test/{tidy,unit,conformance,simulation,install}/**/*.test.ts"],
          // The suites of a process share their modules: loading them anew for each was a third of the processor time.
          isolate: false,
          // Real databases and real processes on a loaded machine of two cores; a hang still ends.
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: {
          name: "binary",
          include: ["test/{binary,crash}/**/*.test.ts"],
          globalSetup: ["build/binary-setup.ts"],
          // Threads of one process would measure each other's memory; build/check.ts runs several processes instead.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
