import { type ParseArgsConfig, parseArgs } from "node:util";

/** Each with what it is when it is not given; a number stands for a whole one of 1 or more. */
type Usual = Readonly<Record<string, number | string>>;
type Given<U extends Usual> = { readonly [Name in keyof U]: U[Name] extends number ? number : string };

/**
 * The arguments of a benchmark by name. `--help` prints the usage; what is not understood is refused with it, because a
 * measurement that takes minutes must not begin with something else than was meant.
 */
export function benchArguments<U extends Usual>(usage: string, usual: U): Given<U> {
  try {
    const options: NonNullable<ParseArgsConfig["options"]> = { help: { type: "boolean" } };
    for (const [name, value] of Object.entries(usual)) options[name] = { type: "string", default: String(value) };
    const { values } = parseArgs({ options });
    if (values["help"] === true) end(usage, 0);
    const read = Object.entries(usual).map(([name, value]) => {
      const text = String(values[name]);
      return [name, typeof value === "number" ? wholeNumber(`--${name}`, text) : text];
    });
    return Object.fromEntries(read) as Given<U>; // `as`: by the names and types of `usual`
  } catch (cause) {
    return end(`${cause instanceof Error ? cause.message : String(cause)}\n${usage}`, 2);
  }
}

/** The one argument of a benchmark that has no name, as {@link benchArguments}. */
export function benchSeconds(usage: string, usual: number): number {
  const [, , text = String(usual)] = process.argv;
  try {
    return text === "--help" ? end(usage, 0) : wholeNumber("SECONDS", text);
  } catch (cause) {
    return end(`${cause instanceof Error ? cause.message : String(cause)}\n${usage}`, 2);
  }
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`${name} takes a whole number of 1 or more, not ${JSON.stringify(text)}`);
}

function end(text: string, code: 0 | 2): never {
  (code === 0 ? console.log : console.error)(text);
  process.exit(code);
}
