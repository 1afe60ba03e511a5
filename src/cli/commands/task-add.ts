import type { SubmissionInput } from "#api";
import { ok, type Result } from "#base";
import type { Api } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { plural } from "../output/quantities.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { type SubmissionFlags, submissionFromFlags } from "../tasks/submission-from-options.ts";
import { readTaskFile } from "../tasks/task-file-option.ts";
import { showWait } from "./task-wait.ts";

type AddFlags = SubmissionFlags & { readonly wait: boolean; readonly timeout: number | undefined };

/** What is sent: one submission or a list, as the file or the flags gave it. */
type Sending = { readonly body: SubmissionInput | SubmissionInput[]; readonly titles: readonly string[] };

export const taskAdd: Handler<AddFlags> = async ({ options, rest }, context) => {
  const { console } = context;
  const sending = await whatToSend(options, rest ?? [], context);
  if (!sending.ok) {
    console.fail(sending.error);
    return EXIT.usage;
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const receipts = await submit(api.value, sending.value);
  if (!receipts.ok) return console.fail(receipts.error);
  const { document, tasks } = receipts.value;
  const repeated = tasks.filter(({ created }) => !created).length;
  if (repeated > 0)
    console.note(
      `${plural(repeated, "task")} of this idempotency key ${repeated === 1 ? "was" : "were"} there already`,
    );
  if (options.wait) {
    return showWait(
      tasks.map(({ id }) => id),
      options.timeout,
      api.value,
      context,
    );
  }
  if (console.json) {
    console.document(document);
    return EXIT.ok;
  }
  for (const [index, { id, ref }] of tasks.entries()) {
    const about = ref ?? sending.value.titles[index] ?? "";
    console.line(console.out.isTerminal ? `${id}  ${oneLine(about)}` : id);
  }
  console.hint(`Follow with: drover task wait ${tasks.length === 1 ? (tasks[0]?.id ?? "") : "ID…"}`);
  return EXIT.ok;
};

async function whatToSend(
  flags: AddFlags,
  command: readonly string[],
  { environment }: CommandContext,
): Promise<Result<Sending>> {
  if (flags.file === undefined) {
    const task = submissionFromFlags(flags, command, environment.cwd, environment.clock.nowMs());
    return task.ok ? ok({ body: task.value, titles: [task.value.title] }) : task;
  }
  const file = await readTaskFile(flags.file, flags, command, { environment });
  if (!file.ok) return file;
  // `as`: not checked here; the API checks every field and says which is wrong.
  const tasks = file.value.tasks as SubmissionInput[];
  const [only] = tasks;
  const body = file.value.isList || only === undefined ? tasks : only;
  return ok({ body, titles: file.value.tasks.map(titleOf) });
}

function titleOf(task: unknown): string {
  const title = typeof task === "object" && task !== null && "title" in task ? task.title : undefined;
  return typeof title === "string" ? title : "";
}

type Receipt = { readonly id: string; readonly ref: string | null; readonly created: boolean };

async function submit(
  api: Api,
  { body }: Sending,
): Promise<Result<{ readonly document: unknown; readonly tasks: readonly Receipt[] }, Fault>> {
  const what = Array.isArray(body) ? plural(body.length, "task") : "the task";
  const answer = await api.ask(`submit ${what}`, (client) => client.api.tasks.$post({ json: body }));
  if (!answer.ok) return answer;
  const document = answer.value;
  // A single task comes back whole; a repetition of it is told by its status alone, which matters to nobody here.
  const tasks = "tasks" in document ? document.tasks : [{ id: document.id, ref: null, created: true }];
  return ok({ document, tasks });
}
