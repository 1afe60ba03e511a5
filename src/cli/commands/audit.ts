/** What a node decided, and whether that is what was written down. */
import type { Client, SuccessOf } from "../connection/api.ts";
import { collectPages } from "../connection/pages.ts";
import type { AuditVerification } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import type { Console } from "../output/console.ts";
import { ageText, plural } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

type Row = SuccessOf<Awaited<ReturnType<Client["api"]["audit"]["$get"]>>>["items"][number];

const DEFAULT_SHOWN = 50;

export const auditList: Handler<{
  readonly actor: string | undefined;
  readonly action: string | undefined;
  readonly subject: string | undefined;
  readonly since: string | undefined;
  readonly limit: number | undefined;
}> = async ({ options }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { limit = DEFAULT_SHOWN, ...filters } = options;
  const given = Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
  const found = await collectPages<Row>(limit, undefined, (query) =>
    api.value.ask("read the audit log", (client) => client.api.audit.$get({ query: { ...query, ...given } })),
  );
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else if (found.value.items.length === 0) console.note("Nothing of the kind was decided yet.");
  else console.table(found.value.items, columns(environment.clock.nowMs()));
  return EXIT.ok;
};

function columns(nowMs: number): readonly Column<Row>[] {
  return [
    { title: "ROW", value: ({ seq }) => String(seq), align: "right" },
    { title: "AGE", value: ({ atMs }) => ageText(atMs, nowMs), align: "right" },
    { title: "WHO", value: ({ actor }) => oneLine(actor) },
    { title: "DID", value: ({ action }) => oneLine(action) },
    { title: "TO", value: ({ subject }) => oneLine(subject), shrinks: true },
    { title: "BECAUSE", value: ({ reason }) => oneLine(reason), shrinks: true },
  ];
}

type VerifyOptions = { readonly file: string | undefined; readonly expect: string | undefined };

export const auditVerify: Handler<VerifyOptions> = async ({ options, globals }, context) => {
  const { console, environment } = context;
  // Of this host, or of a file, without a node: whoever doubts a log does not ask the one that wrote it.
  if (globals.url === undefined || options.file !== undefined) {
    const verified = await environment.local.auditVerify({ ...globals, ...options });
    return verified.ok ? printVerification(verified.value, console) : console.fail(verified.error);
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = options.expect === undefined ? {} : { expect: options.expect };
  const found = await api.value.ask("verify the audit log", (client) => client.api.audit.verification.$get({ query }));
  return found.ok ? printVerification(found.value, console) : console.fail(found.error);
};

/** @returns the exit code: 1 where something is not as it was written. */
function printVerification(found: AuditVerification, console: Console): number {
  const { rows, from, to, fault, notes } = found;
  if (console.json) console.document(found);
  else if (fault !== null) console.line(console.paint("bad", `Row ${fault.seq}: ${fault.message}`));
  else if (to === null) console.line("The audit log is empty.");
  else {
    console.line(console.paint("good", `${plural(rows, "row")}, ${from ?? 1} to ${to.seq}: as they were written.`));
    console.line(`${to.seq}:${to.hash}`);
    console.hint("Keep that line elsewhere: with --expect it shows later that nothing up to there was written anew.");
  }
  for (const note of notes) console.note(note);
  return fault === null ? EXIT.ok : EXIT.failed;
}

const EXPORT_ROWS = 5_000;

export const auditExport: Handler<object> = async (_invocation, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  for (let after = 0; ; ) {
    const query = { after: String(after), limit: String(EXPORT_ROWS) };
    const part = await api.value.askBytes("export the audit log", (client) => client.api.audit.export.$get({ query }));
    if (!part.ok) return console.fail(part.error);
    const last = new TextDecoder().decode(part.value.body).trimEnd().split("\n").at(-1) ?? "";
    if (last === "") return EXIT.ok;
    environment.stdout.write(part.value.body);
    // `as`: a row of the log.
    after = (JSON.parse(last) as Row).seq;
  }
};
