import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SETTINGS } from "../../../src/runtime/config/settings.ts";

/** Rows of all tables of settings: name, default and what it is, as the page has them. */
function rowsOf(page: string): ReadonlyMap<string, readonly string[]> {
  const rows = page.split("\n").flatMap((line) => {
    const [, name, initial, about] = /^\| `([a-z_.]+)` +\| `(.+?)` +\| (.+?) +\|$/.exec(line) ?? [];
    return name === undefined || initial === undefined || about === undefined
      ? []
      : [[name, [initial, about]] as const];
  });
  return new Map(rows);
}

describe("the page of the configuration", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/operations/configuration.md"), "utf8");
  const rows = rowsOf(page);

  it.each(Object.entries(SETTINGS))("says of %s what it is by default and what it does", (name, { initial, about }) => {
    expect(rows.get(name)).toEqual([JSON.stringify(initial), about]);
  });

  it("has no setting that is none", () => {
    expect([...rows.keys()].filter((name) => !Object.hasOwn(SETTINGS, name))).toEqual([]);
  });
});
