import { dirname, extname, resolve } from "node:path";
import { err, ok, type Result, refused } from "#base";

/** A file of tasks as it was written: unchecked values, and whether they stood in a list. */
export type TaskFile = { readonly tasks: readonly unknown[]; readonly isList: boolean };

/**
 * Reads one task or a list of tasks. JSON, YAML and TOML by the ending; `-` (standard input) is JSON or YAML. A list is
 * an array, or the only key `tasks` (TOML has no other way to write one). Relative folders of a task (`workspace`,
 * `repo`) are relative to the file, because the node works elsewhere. What a task may hold is not checked here.
 */
export async function parseTaskFile(path: string, content: string, cwd: string): Promise<Result<TaskFile>> {
  const parsed = await parseByEnding(path, content);
  if (!parsed.ok) return parsed;
  const folder = path === "-" ? cwd : dirname(resolve(cwd, path));
  const value = parsed.value;
  const list = Array.isArray(value) ? value : onlyTasks(value);
  if (list !== undefined) return ok({ tasks: list.map((one: unknown) => anchored(one, folder)), isList: true });
  if (typeof value !== "object" || value === null) {
    return err(refused("invalid", `${path} holds neither a task nor a list of tasks`, 'A task begins with a "title"'));
  }
  return ok({ tasks: [anchored(value, folder)], isList: false });
}

async function parseByEnding(path: string, content: string): Promise<Result<unknown>> {
  const ending = extname(path).toLowerCase();
  try {
    switch (ending) {
      case ".json":
        return ok(JSON.parse(content));
      case ".toml":
        return ok(withoutDates(Bun.TOML.parse(content)));
      case ".yaml":
      case ".yml":
      case "": {
        // Loaded here because few command lines need it. Its limit on aliases holds off documents that unfold without end.
        const { parse } = await import("yaml");
        return ok(parse(content));
      }
      default:
        return err(
          refused(
            "unsupported",
            `the ending ${ending} of ${path} says nothing about its format`,
            "Use .json, .yaml or .toml",
          ),
        );
    }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const format = ending === "" ? "YAML" : ending.slice(1).toUpperCase();
    return err(refused("invalid", `${path} is not ${format}: ${reason}`, "Correct the file"));
  }
}

function onlyTasks(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const entries = Object.entries(value);
  const [first] = entries;
  return entries.length === 1 && first?.[0] === "tasks" && Array.isArray(first[1]) ? first[1] : undefined;
}

function anchored(task: unknown, folder: string): unknown {
  if (typeof task !== "object" || task === null || Array.isArray(task)) return task;
  return Object.fromEntries(
    Object.entries(task).map(([name, field]: [string, unknown]) =>
      (name === "workspace" || name === "repo") && typeof field === "string" && isRelative(field)
        ? [name, resolve(folder, field)]
        : [name, field],
    ),
  );
}

/** A repository may be a URL (`https://…`, `git@host:path`); those and absolute paths stay as they are. */
function isRelative(path: string): boolean {
  return !path.startsWith("/") && !/^[A-Za-z]:[\\/]/.test(path) && !path.includes("://") && !/^[^/]+@[^/]+:/.test(path);
}

/** TOML has instants of its own; JSON, which the API speaks, writes them as text. */
function withoutDates(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(withoutDates);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withoutDates(field)]));
}
