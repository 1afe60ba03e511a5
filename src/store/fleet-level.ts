/** The feature level that a fleet has reached, in the notes of its database: every replica shows it. */
import { err, ok, type Result, refused } from "#base";
import { FIRST_FEATURE_LEVEL, OWN_LEVELS } from "#fleet";
import { type Connection, number } from "./connection.ts";
import { readMeta, writeMeta } from "./meta.ts";

const LEVEL = "feature_level";

export function readFleetLevel(connection: Connection): number | undefined {
  const noted = readMeta(connection, LEVEL);
  return noted === undefined ? undefined : Number(noted);
}

export function writeFleetLevel(connection: Connection, level: number): void {
  writeMeta(connection, LEVEL, String(level));
}

/**
 * The level by which migrations wait. Nobody is waited for by a database that has one node or none: it is that of a node
 * alone, or of a hub that nobody has joined.
 */
export function levelForMigrations(connection: Connection): number {
  const { isShared, level } = standingOf(connection);
  return isShared ? (level ?? FIRST_FEATURE_LEVEL) : Number.POSITIVE_INFINITY;
}

/** Whether this build may write a fleet's database: not when the fleet works at a level that it does not speak. */
export function checkFleetLevel(connection: Connection): Result<void> {
  const { level } = standingOf(connection);
  if (level === undefined || level <= OWN_LEVELS.newest) return ok(undefined);
  return err(
    refused(
      "newer_schema",
      `${connection.path} is of a fleet at feature level ${level}; this drover speaks up to ${OWN_LEVELS.newest}`,
      "Start the newer drover again, or update this one: drover update",
    ),
  );
}

function standingOf(connection: Connection): { readonly isShared: boolean; readonly level: number | undefined } {
  const has = (table: string): boolean =>
    connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get([table]) !== undefined;
  const level = has("meta") ? readFleetLevel(connection) : undefined;
  if (!has("fleet_node")) return { isShared: false, level };
  const nodes = connection.prepare("SELECT count(*) FROM fleet_node WHERE state <> 'removed'").get([]);
  return { isShared: nodes !== undefined && number(nodes, 0) > 1, level };
}
