import { EXIT } from "../exit-codes.ts";
import type { Handler } from "../parsing/command.ts";

/** A result is for programs: it is printed as the document that it is. */
export const taskResult: Handler<{ readonly attempt: number | undefined }> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = options.attempt === undefined ? {} : { attempt: String(options.attempt) };
  const found = await api.value.ask("print the result", (client) =>
    client.api.tasks[":id"].result.$get({ param: { id: encodeURIComponent(args[0] ?? "") }, query }),
  );
  if (!found.ok) return console.fail(found.error);
  console.document(found.value);
  return EXIT.ok;
};
