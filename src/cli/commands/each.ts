import type { Result } from "#base";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";

/**
 * Does the same to several things, one after another. A fault is printed and the others are still done, unless the node
 * cannot be reached at all. @returns the exit code: that of the first fault, else ok.
 */
export async function forEach<Document>(
  ids: readonly string[],
  context: Pick<CommandContext, "console">,
  act: (id: string) => Promise<Result<Document, Fault>>,
  describe: (document: Document) => string,
): Promise<number> {
  const { console } = context;
  const documents: Document[] = [];
  let exit: number = EXIT.ok;
  for (const id of ids) {
    const done = await act(id);
    if (done.ok) {
      documents.push(done.value);
      if (!console.json) console.line(describe(done.value));
      continue;
    }
    const code = console.fail(done.error);
    if (exit === EXIT.ok) exit = code;
    if (code === EXIT.unreachable) break;
  }
  if (console.json) console.documents(documents);
  return exit;
}
