import type { Handler } from "../parsing/command.ts";
import { changeLine } from "../tasks/wait-board.ts";
import { forEach } from "./each.ts";

export const taskCancel: Handler<{ readonly reason: string | undefined }> = async ({ args, options }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const json = options.reason === undefined ? {} : { reason: options.reason };
  return forEach(
    args,
    context,
    (id) =>
      api.value.ask(`cancel ${id}`, (client) =>
        client.api.tasks[":id"].cancel.$post({ param: { id: encodeURIComponent(id) }, json }),
      ),
    changeLine,
  );
};

export const taskRetry: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    (id) =>
      api.value.ask(`retry ${id}`, (client) =>
        client.api.tasks[":id"].retry.$post({ param: { id: encodeURIComponent(id) } }),
      ),
    changeLine,
  );
};
