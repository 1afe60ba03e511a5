/** Tokens with which nodes join the fleet. */
import { ok } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import { EXIT } from "../exit-codes.ts";
import { durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { forEach } from "./each.ts";

type Token = SuccessOf<Awaited<ReturnType<Client["api"]["tokens"]["$get"]>>>["tokens"][number];

type CreateFlags = {
  readonly role: "reader" | "member" | "operator" | undefined;
  readonly uses: number | undefined;
  readonly ttl: number | undefined;
};

export const tokenCreate: Handler<CreateFlags> = async ({ options }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { role, uses, ttl } = options;
  const json = {
    ...(role === undefined ? {} : { role }),
    ...(uses === undefined ? {} : { uses }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
  };
  const made = await api.value.ask("make a token", (client) => client.api.tokens.$post({ json }));
  if (!made.ok) return console.fail(made.error);
  if (console.json) {
    console.document(made.value);
    return EXIT.ok;
  }
  const { invitation, usesLeft, expiresAtMs, warning } = made.value;
  console.line(oneLine(invitation));
  const leftMs = Math.max(0, expiresAtMs - environment.clock.nowMs());
  console.note(
    `For ${usesLeft} ${usesLeft === 1 ? "node" : "nodes"}, within ${durationText(leftMs)}. It is not shown again.`,
  );
  if (warning !== null) console.note(oneLine(`Warning: ${warning}`));
  console.hint("On the other host: drover join TOKEN@URL");
  return EXIT.ok;
};

export const tokenList: Handler<object> = async (_invocation, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list the tokens", (client) => client.api.tokens.$get());
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else if (found.value.tokens.length === 0) console.note("There is no token.");
  else console.table(found.value.tokens, columns(environment.clock.nowMs()));
  return EXIT.ok;
};

function columns(nowMs: number): readonly Column<Token>[] {
  return [
    { title: "ID", value: ({ id }) => id },
    { title: "ROLE", value: ({ role }) => role },
    { title: "USES LEFT", value: ({ usesLeft }) => String(usesLeft), align: "right" },
    {
      title: "EXPIRES",
      value: ({ expiresAtMs, isExpired }) =>
        isExpired ? "expired" : `in ${durationText(Math.max(0, expiresAtMs - nowMs))}`,
      tone: ({ isExpired }) => (isExpired ? "faint" : undefined),
    },
  ];
}

export const tokenRevoke: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (id) => {
      const revoked = await api.value.ask(`revoke token ${id}`, (client) =>
        client.api.tokens[":id"].$delete({ param: { id: encodeURIComponent(id) } }),
      );
      return revoked.ok ? ok({ ...revoked.value }) : revoked;
    },
    ({ id }) => `Revoked ${oneLine(id)}`,
  );
};
