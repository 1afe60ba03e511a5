import { chmodSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { prepareStateFolder } from "../../../src/runtime/state-folder.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

function openFolder(...files: readonly string[]): string {
  const path = join(folder(), "state");
  mkdirSync(path);
  for (const name of files) writeFileSync(join(path, name), "x");
  chmodSync(path, 0o755);
  return path;
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe("the state folder", () => {
  it("is made private when it is not there", () => {
    const path = join(folder(), "deep", "state");

    expect(prepareStateFolder(path)).toMatchObject({ ok: true, value: { path } });
    expect(modeOf(path)).toBe("700");
    expect(readdirSync(path)).toEqual([]);
  });

  it.each([[[]], [["fleet.db"]], [["node.json", "other"]], [["token"]]])("holding %j is made private", (files) => {
    const path = openFolder(...files);

    expect(prepareStateFolder(path).ok).toBe(true);
    expect(modeOf(path)).toBe("700");
  });

  it("of somebody else's files is refused and left as it is", () => {
    const path = openFolder("thesis.txt");

    const prepared = prepareStateFolder(path);

    expect(prepared).toMatchObject({ ok: false, error: { code: "invalid" } });
    expect(prepared.ok ? "" : prepared.error.remedy).toContain(join(path, "drover"));
    expect(modeOf(path)).toBe("755");
    expect(readdirSync(path)).toEqual(["thesis.txt"]);
  });

  it("may hold other files when nobody else can read it", () => {
    const path = openFolder("thesis.txt");
    chmodSync(path, 0o700);

    expect(prepareStateFolder(path).ok).toBe(true);
  });
});
