import type { ScheduleView, SubmissionInput } from "#api";
import { err, ok, type Result, refused } from "#base";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { ageText, durationText, instantText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { type TaskFlags, taskFromFlags } from "../tasks/submission-from-options.ts";
import { readTaskFile } from "../tasks/task-file-option.ts";
import { forEach } from "./each.ts";

type ScheduleFlags = TaskFlags & {
  readonly cron: string | undefined;
  readonly timezone: string | undefined;
  readonly overlap: "skip" | "allow" | undefined;
};

export const scheduleAdd: Handler<ScheduleFlags> = async ({ args, options, rest }, context) => {
  const { console, environment } = context;
  const { cron, timezone, overlap, ...flags } = options;
  const task = await templateOf(flags, rest ?? [], context);
  const wrong =
    cron === undefined ? refused("invalid", "schedule add needs --cron", 'Such as --cron "0 3 * * *"') : undefined;
  if (wrong !== undefined || cron === undefined || !task.ok) {
    console.fail(wrong ?? (task.ok ? refused("invalid", "schedule add needs --cron") : task.error));
    return EXIT.usage;
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const json = {
    name: args[0] ?? "",
    cron,
    ...(timezone === undefined ? {} : { timezone }),
    ...(overlap === undefined ? {} : { overlap }),
    task: task.value,
  };
  const added = await api.value.ask("add the schedule", (client) => client.api.schedules.$post({ json }));
  if (!added.ok) return console.fail(added.error);
  if (console.json) {
    console.document(added.value);
    return EXIT.ok;
  }
  console.line(added.value.id);
  const inMs = added.value.nextAtMs - environment.clock.nowMs();
  console.hint(`First run at ${instantText(added.value.nextAtMs)}, in ${durationText(Math.max(0, inMs))}.`);
  return EXIT.ok;
};

async function templateOf(
  flags: TaskFlags,
  command: readonly string[],
  { environment }: CommandContext,
): Promise<Result<SubmissionInput>> {
  if (flags.file === undefined) return taskFromFlags(flags, command, environment.cwd);
  const file = await readTaskFile(flags.file, flags, command, { environment });
  if (!file.ok) return file;
  const [only, ...more] = file.value.tasks;
  if (more.length > 0 || only === undefined) {
    return err(refused("invalid", `${flags.file} holds ${file.value.tasks.length} tasks; a schedule submits one`));
  }
  return ok(only as SubmissionInput); // `as`: not checked here; the API checks every field and says which is wrong
}

export const scheduleList: Handler<object> = async (_invocation, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const schedules = await api.value.ask("list schedules", (client) => client.api.schedules.$get());
  if (!schedules.ok) return console.fail(schedules.error);
  if (console.json) console.document(schedules.value);
  else if (schedules.value.items.length === 0) console.note("There are no schedules.");
  else console.table(schedules.value.items, scheduleColumns(environment.clock.nowMs()));
  return EXIT.ok;
};

function scheduleColumns(nowMs: number): readonly Column<ScheduleView>[] {
  return [
    { title: "ID", value: ({ id }) => id },
    { title: "NAME", value: ({ name }) => name, shrinks: true },
    { title: "CRON", value: ({ cron }) => cron },
    { title: "ZONE", value: ({ timezone }) => timezone, optional: true },
    { title: "NEXT", value: ({ nextAtMs }) => instantText(nextAtMs) },
    {
      title: "LAST",
      value: ({ lastAtMs }) => (lastAtMs === null ? "-" : `${ageText(lastAtMs, nowMs)} ago`),
      optional: true,
    },
    { title: "OVERLAP", value: ({ overlap }) => overlap, optional: true },
  ];
}

export const scheduleRemove: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    (id) =>
      api.value.ask(`remove schedule ${id}`, (client) =>
        client.api.schedules[":id"].$delete({ param: { id: encodeURIComponent(id) } }),
      ),
    ({ id }) => `${oneLine(id)} is removed; tasks it submitted stay`,
  );
};
