import { err, ok, type Result } from "#base";

/** One option of a command: what help and completion say about it, and how its texts become a value. */
export type Option<T> = {
  readonly description: string;
  /** What stands for the value in help; null for an option that takes none. */
  readonly valueName: string | null;
  readonly short?: string;
  /** Shown by completion and checked by `read`. */
  readonly choices?: readonly string[];
  /** The environment variable that stands in when the option is absent. */
  readonly env?: string;
  readonly shownDefault?: string;
  readonly repeatable: boolean;
  /** Not shown in help. */
  readonly hidden?: boolean;
  /** `texts` are the values in the order given; empty when the option is absent. */
  readonly read: (texts: readonly string[]) => Result<T, string>;
};

/** Options by the name that code uses; `maxAttempts` is written `--max-attempts`. */
export type Options = Readonly<Record<string, Option<unknown>>>;

/** The values of `O` after parsing. */
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

type Extras = {
  readonly short?: string;
  readonly env?: string;
  readonly shownDefault?: string;
  readonly hidden?: boolean;
};

/** `maxAttempts` → `--max-attempts`. */
export function flagName(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function flag(description: string, extras: Extras = {}): Option<boolean> {
  return { description, valueName: null, repeatable: false, ...extras, read: (texts) => ok(texts.length > 0) };
}

export function text(valueName: string, description: string, extras: Extras = {}): Option<string | undefined> {
  return single(valueName, description, extras, (value) => (value === "" ? err("must not be empty") : ok(value)));
}

/** A whole number between `least` and `most`. */
export function whole(
  valueName: string,
  description: string,
  range: { readonly least: number; readonly most: number },
  extras: Extras = {},
): Option<number | undefined> {
  return single(valueName, description, extras, (value) => {
    const number = Number(value);
    return /^\d+$/.test(value) && number >= range.least && number <= range.most
      ? ok(number)
      : err(`must be a whole number from ${range.least} to ${range.most}, not "${value}"`);
  });
}

/** A value that `read` understands. */
export function value<T>(
  valueName: string,
  description: string,
  read: (text: string) => Result<T, string>,
  extras: Extras = {},
): Option<T | undefined> {
  return single(valueName, description, extras, read);
}

export function choice<const C extends string>(
  choices: readonly C[],
  description: string,
  extras: Extras = {},
): Option<C | undefined> {
  const option = single<C>(choices.join("|"), description, extras, (given) => oneOf(choices, given));
  return { ...option, choices };
}

export function list(valueName: string, description: string, extras: Extras = {}): Option<readonly string[]> {
  return { description, valueName, repeatable: true, ...extras, read: ok };
}

/** `name=value` pairs; a name given twice is an error, because one of the two would be lost silently. */
export function pairs(
  valueName: string,
  description: string,
  extras: Extras = {},
): Option<Readonly<Record<string, string>>> {
  return {
    description,
    valueName,
    repeatable: true,
    ...extras,
    read: (texts) => {
      const found = new Map<string, string>();
      for (const pair of texts) {
        const cut = pair.indexOf("=");
        if (cut < 1) return err(`must be ${valueName}, not "${pair}"`);
        const name = pair.slice(0, cut);
        if (found.has(name)) return err(`names "${name}" twice`);
        found.set(name, pair.slice(cut + 1));
      }
      return ok(Object.fromEntries(found));
    },
  };
}

function oneOf<C extends string>(allowed: readonly C[], given: string): Result<C, string> {
  const found = allowed.find((one) => one === given);
  return found === undefined ? err(`must be one of ${allowed.join(", ")}, not "${given}"`) : ok(found);
}

function single<T>(
  valueName: string,
  description: string,
  extras: Extras,
  read: (text: string) => Result<T, string>,
): Option<T | undefined> {
  return {
    description,
    valueName,
    repeatable: false,
    ...extras,
    read: (texts) => {
      const [only] = texts;
      return only === undefined ? ok(undefined) : read(only);
    },
  };
}
