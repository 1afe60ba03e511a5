/** Reads the per-room import restrictions out of the linter's configuration. Pure. */

/** The part of .oxlintrc.json that is read here. */
export type LinterConfig = {
  readonly overrides: readonly {
    readonly files: readonly string[];
    readonly rules: Readonly<Record<string, unknown>>;
  }[];
};

/** Room → rooms that the linter lets it import; only rooms that the configuration restricts. */
export function linterTable(config: LinterConfig): ReadonlyMap<string, readonly string[]> {
  const table = new Map<string, readonly string[]>();
  for (const { files, rules } of config.overrides) {
    const room = /^src\/([a-z]+)\/\*\*$/.exec(files[0] ?? "")?.[1];
    const setting = JSON.stringify(rules["no-restricted-imports"] ?? "");
    if (room === undefined || !setting.includes('"#*"')) continue;
    table.set(
      room,
      [...setting.matchAll(/"!#([a-z]+)"/g)].map((match) => match[1] ?? ""),
    );
  }
  return table;
}
