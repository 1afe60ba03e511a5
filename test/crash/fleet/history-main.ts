/** Prints what one database of a hub tells as JSON: `bun history-main.ts FILE`. Imports nothing of drover. */
import { Database } from "bun:sqlite";

const database = new Database(process.argv[2] ?? "", { readonly: true });
const rows = (query: string): unknown => database.query(query).all();

const history = {
  integrity: Object.values(database.query("PRAGMA integrity_check").get() ?? {}).join(" "),
  tasks: rows("SELECT id, state FROM task"),
  passed: rows(
    `SELECT task_id AS taskId, n, fence_epoch AS epoch, fence_n AS fence, json_extract(result, '$.output.head') AS printed
     FROM attempt WHERE outcome = 'passed'`,
  ),
  claims: rows(
    `SELECT seq, task_id AS taskId, at_ms AS atMs, json_extract(data, '$.node') AS node,
       json_extract(data, '$.fence.epoch') AS epoch, json_extract(data, '$.fence.n') AS fence
     FROM event WHERE kind = 'task.started' ORDER BY seq`,
  ),
};
database.close();
await Bun.write(Bun.stdout, JSON.stringify(history));
