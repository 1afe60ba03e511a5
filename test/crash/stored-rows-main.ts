/** Prints the rows of a fleet.db as one JSON document: `bun stored-rows-main.ts FILE`. Imports nothing of drover. */
import { Database } from "bun:sqlite";

const database = new Database(process.argv[2] ?? "", { readonly: true });
const states = ["waiting", "ready", "running", "done", "dead", "cancelled"];
const sums = states.map((state) => `sum(${state}) AS ${state}`).join(", ");

const rows = {
  integrity: Object.values(database.query("PRAGMA integrity_check").get() ?? {}).join(" "),
  tasks: database
    .query(
      `SELECT id, json_extract(body, '$.title') AS title, state, attempts, attempt_limit AS attemptLimit
       FROM task JOIN submission ON task_id = id`,
    )
    .all(),
  attempts: database
    .query(
      "SELECT task_id AS taskId, n, outcome, fence_epoch AS epoch, fence_n AS fence FROM attempt ORDER BY task_id, n",
    )
    .all(),
  events: database.query("SELECT seq, kind, task_id AS taskId FROM event ORDER BY seq").all(),
  dependencies: database.query("SELECT task_id AS taskId, depends_on AS dependsOn FROM dependency").all(),
  counters: database.query(`SELECT ${sums} FROM lane`).get(),
};
database.close();
await Bun.write(Bun.stdout, JSON.stringify(rows));
