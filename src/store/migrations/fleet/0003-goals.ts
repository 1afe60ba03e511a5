import type { Migration } from "../migration.ts";

/** To which goal a reply is accounted: the one that its task named, null without one. */
export const goalsMigration: Migration = {
  number: 3,
  name: "goals",
  sql: [`ALTER TABLE model_usage ADD COLUMN goal TEXT`],
};
