/** Which copies exist and which may go: rules on names alone. */

/** Names of copies made on schedule or by `drover backup` without a file: they sort by age. */
const BACKUP_NAME = /^fleet-\d{8}T\d{9}Z\.db$/;

export const BACKUPS_KEPT = 7;
export const BACKUP_EVERY_MS = 24 * 60 * 60_000;

/** @returns `fleet-20261121T080000000Z.db` */
export function backupName(nowMs: number): string {
  return `fleet-${new Date(nowMs).toISOString().replaceAll(/[-:.]/g, "")}.db`;
}

/** @returns the instant in a name, or undefined when it is no backup of ours. */
export function backupTimeMs(name: string): number | undefined {
  if (!BACKUP_NAME.test(name)) return undefined;
  const iso = name.replace(/^fleet-(....)(..)(..)T(..)(..)(..)(...)Z\.db$/, "$1-$2-$3T$4:$5:$6.$7Z");
  const atMs = Date.parse(iso);
  return Number.isNaN(atMs) ? undefined : atMs;
}

/** @returns our backups among `names`, newest first. */
export function backupsNewestFirst(names: readonly string[]): readonly string[] {
  return names
    .filter((name) => backupTimeMs(name) !== undefined)
    .sort()
    .reverse();
}

/** @returns the names beyond the newest `keep`; never the last one, and nothing that is not named by us. */
export function backupsToDelete(names: readonly string[], keep: number): readonly string[] {
  return backupsNewestFirst(names).slice(Math.max(1, keep));
}

/** What a copy is called until it was read back whole. */
export function unfinishedName(path: string): string {
  return `${path}.making`;
}

/** @returns copies of ours that were never finished; while none is being made, a crash left them. */
export function abandonedCopies(names: readonly string[]): readonly string[] {
  return names.filter((name) => name.endsWith(".making") && BACKUP_NAME.test(name.slice(0, -".making".length)));
}

/**
 * @returns how long to wait until the next scheduled backup. A newest one from the future, after the clock was set
 * back, counts as just made: it delays the next by one period at most.
 */
export function backupDueInMs(names: readonly string[], everyMs: number, nowMs: number): number {
  const [newest] = backupsNewestFirst(names);
  const newestMs = newest === undefined ? undefined : backupTimeMs(newest);
  if (newestMs === undefined) return 0;
  return Math.max(0, Math.min(everyMs, newestMs + everyMs - nowMs));
}
