/** Starts a worker from source, as the executable starts itself with `worker`. */
export const workerCommand: readonly string[] = [process.execPath, `${import.meta.dirname}/worker-main.ts`];
