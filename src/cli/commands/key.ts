import type { KeyView } from "#api";
import { refused } from "#base";
import { EXIT } from "../exit-codes.ts";
import type { Handler } from "../parsing/command.ts";
import { keyColumns } from "../tasks/key-text.ts";

export const keyList: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const keys = await api.value.ask("list keys", (client) => client.api.keys.$get());
  if (!keys.ok) return console.fail(keys.error);
  if (console.json) console.document(keys.value);
  else if (keys.value.items.length === 0) console.note("No key has limits or tasks that run.");
  else console.table(keys.value.items, keyColumns());
  console.hint("Limit one with: drover key set KEY --max-concurrent N");
  return EXIT.ok;
};

type KeyFlags = {
  readonly maxConcurrent: number | null | undefined;
  readonly rate: number | null | undefined;
  readonly burst: number | undefined;
  readonly weight: number | null | undefined;
  readonly pause: boolean;
  readonly resume: boolean;
};

/** What a key has that nobody has set. */
const NO_LIMITS: KeyView["policy"] = { maxConcurrent: null, ratePerSecond: null, burst: 1, weight: 1, paused: false };

export const keySet: Handler<KeyFlags> = async ({ args, options }, context) => {
  const { console } = context;
  const key = args[0] ?? "";
  const fault = wrongFlags(options);
  if (fault !== undefined) {
    console.fail(refused("invalid", fault, "See: drover help key set"));
    return EXIT.usage;
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  // The API replaces a policy as a whole; what the flags do not name is kept by sending it again.
  const keys = await api.value.ask("read the limits", (client) => client.api.keys.$get());
  if (!keys.ok) return console.fail(keys.error);
  const before = keys.value.items.find((one) => one.key === key)?.policy ?? NO_LIMITS;
  const policy = {
    maxConcurrent: options.maxConcurrent === undefined ? before.maxConcurrent : options.maxConcurrent,
    ratePerSecond: options.rate === undefined ? before.ratePerSecond : options.rate,
    burst: options.burst ?? before.burst,
    weight: options.weight ?? before.weight,
    paused: options.pause || (before.paused && !options.resume),
  };
  const answer = await api.value.ask(`set the limits of ${key}`, (client) =>
    client.api.keys[":key"].$put({ param: { key: encodeURIComponent(key) }, json: policy }),
  );
  if (!answer.ok) return console.fail(answer.error);
  if (console.json) console.document(answer.value);
  else console.table([answer.value], keyColumns());
  return EXIT.ok;
};

function wrongFlags(options: KeyFlags): string | undefined {
  if (options.pause && options.resume) return "--pause and --resume cannot be given together";
  const { maxConcurrent, rate, burst, weight, pause, resume } = options;
  const given = [maxConcurrent, rate, burst, weight].some((one) => one !== undefined) || pause || resume;
  if (!given) return "key set needs at least one limit to set";
  return typeof maxConcurrent === "number" && !Number.isInteger(maxConcurrent)
    ? `--max-concurrent must be a whole number, not ${maxConcurrent}`
    : undefined;
}
