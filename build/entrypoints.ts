/** The files that become programs of their own inside the executable. */

/** argv → part. */
export const mainEntry = "src/main.ts";

/**
 * Files that run as worker threads. They are started by URL, which no bundler follows, so each is named here and
 * bundled beside the main entry:
 *   new Worker(new URL("./reader-worker.ts", import.meta.url).href)
 */
export const workerEntries: readonly string[] = [
  "src/store/reader-worker.ts",
  "src/store/primary/rebuild-worker.ts",
  "src/store/replica/replica-worker.ts",
];
