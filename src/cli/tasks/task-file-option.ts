import { err, type Result, refused } from "#base";
import type { CommandContext } from "../context.ts";
import { flagName } from "../parsing/option.ts";
import { flagsBeside } from "./submission-from-options.ts";
import { parseTaskFile, type TaskFile } from "./task-file.ts";

/** What `--file` names. Everything about a task stands in the file then, so a flag or a command beside it is refused. */
export async function readTaskFile(
  path: string,
  flags: object,
  command: readonly string[],
  { environment }: Pick<CommandContext, "environment">,
): Promise<Result<TaskFile>> {
  const [beside] = flagsBeside(flags);
  if (beside !== undefined || command.length > 0) {
    const what = beside === undefined ? "a command" : flagName(beside);
    return err(refused("invalid", `--file and ${what} cannot be given together`, "Write it into the file"));
  }
  const content = await environment.readText(path);
  return content.ok ? parseTaskFile(path, content.value, environment.cwd) : content;
}
