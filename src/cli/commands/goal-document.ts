import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { err, ok, type Result, refused } from "#base";
import { EXIT } from "../exit-codes.ts";
import type { Handler } from "../parsing/command.ts";
import type { DOCUMENT_FORMAT_WORDS } from "../table/words.ts";
import { forEach } from "./each.ts";

type Format = (typeof DOCUMENT_FORMAT_WORDS)[number];

/** As the API's limit on documents, in bytes of the longest characters. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const FORMATS: Readonly<Record<string, Format>> = { ".md": "md", ".markdown": "md", ".toml": "toml", ".xml": "xml" };

type ReadFile = { readonly path: string; readonly format: Format; readonly text: string };

export const goalImport: Handler<{ readonly idempotencyKey: string | undefined }> = async (
  { args, options },
  context,
) => {
  const { console, environment } = context;
  const { idempotencyKey } = options;
  if (idempotencyKey !== undefined && args.length !== 1) {
    console.fail(refused("invalid", "an idempotency key names one goal", "Give one file with it"));
    return EXIT.usage;
  }
  const files = new Map<string, ReadFile>();
  for (const path of args) {
    const file = await documentIn(path, environment.cwd);
    if (!file.ok) {
      console.fail(file.error);
      return EXIT.usage;
    }
    files.set(path, file.value);
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  return forEach(
    [...files.keys()],
    context,
    (path) => {
      const { format = "md", text = "" } = files.get(path) ?? {};
      const json = { format, text, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) };
      return api.value.ask(`hand in ${path}`, (client) => client.api.goals.import.$post({ json }));
    },
    ({ id }) => id,
  );
};

async function documentIn(path: string, cwd: string): Promise<Result<ReadFile>> {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    const message = `the ending of ${path} says nothing about its form`;
    return err(refused("unsupported", message, "Use .md, .toml or .xml"));
  }
  try {
    const bytes = await readFile(resolve(cwd, path));
    if (bytes.length > MAX_FILE_BYTES) {
      return err(refused("too_large", `${path} is larger than ${MAX_FILE_BYTES} bytes`, "A goal is a page or two"));
    }
    return ok({ path, format, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return err(refused("invalid", `${path} cannot be read: ${why}`, "Give the path of a text in UTF-8"));
  }
}

type ExportFlags = { readonly format: Format | undefined; readonly whole: boolean };

export const goalExport: Handler<ExportFlags> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const param = { id: args[0] ?? "" };
  const query = { format: options.format ?? "md", of: options.whole ? "state" : "goal" } as const;
  const found = await api.value.ask("export the goal", (client) =>
    client.api.goals[":id"].document.$get({ param, query }),
  );
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else console.line(found.value.text.replace(/\n$/, ""));
  return EXIT.ok;
};
