import { queueMigration } from "./fleet/0001-queue.ts";
import { modelsMigration } from "./fleet/0002-models.ts";
import { goalsMigration } from "./fleet/0003-goals.ts";
import { fleetMigration } from "./fleet/0004-fleet.ts";
import { votersMigration } from "./fleet/0005-voters.ts";
import { notesMigration } from "./fleet/0006-notes.ts";
import { goalTablesMigration } from "./fleet/0007-goals.ts";
import { repositoriesMigration } from "./fleet/0008-repositories.ts";
import { improvementsMigration } from "./fleet/0009-improvements.ts";
import type { Migration } from "./migration.ts";

/** The schema of fleet.db. */
export const FLEET_MIGRATIONS: readonly Migration[] = [
  queueMigration,
  modelsMigration,
  goalsMigration,
  fleetMigration,
  votersMigration,
  notesMigration,
  goalTablesMigration,
  repositoriesMigration,
  improvementsMigration,
];
