import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { stateCopies } from "../../../src/watchdog/io/state-copy.ts";
import { failureIn, must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

function world() {
  const state = folder();
  const releases = join(state, "releases");
  mkdirSync(releases);
  writeFileSync(join(state, "fleet.db"), "before");
  writeFileSync(join(state, "fleet.db-wal"), "journal");
  return { state, releases, copies: stateCopies(state, releases, ["fleet.db", "node.db"]) };
}

describe("a copy of the databases", () => {
  it("is put back as it was, and what was there meanwhile is set aside", () => {
    const { state, copies } = world();
    const copy = must(copies.take("1"));
    writeFileSync(join(state, "fleet.db"), "after");
    writeFileSync(join(state, "node.db"), "made after");

    const aside = must(copies.putBack(copy));

    expect(readFileSync(join(state, "fleet.db"), "utf8")).toBe("before");
    expect(readFileSync(join(state, "fleet.db-wal"), "utf8")).toBe("journal");
    expect(existsSync(join(state, "node.db"))).toBe(false);
    expect(readFileSync(join(aside, "fleet.db"), "utf8")).toBe("after");
    expect(readFileSync(join(aside, "node.db"), "utf8")).toBe("made after");
  });

  it("can be put back twice: a first time may have been interrupted", () => {
    const { state, copies } = world();
    const copy = must(copies.take("1"));
    must(copies.putBack(copy));

    must(copies.putBack(copy));

    expect(readFileSync(join(state, "fleet.db"), "utf8")).toBe("before");
  });

  it("is put back to the same end after an interruption anywhere, and only then counts as put back", () => {
    const { state, releases, copies } = world();
    const copy = must(copies.take("1"));
    writeFileSync(join(state, "fleet.db"), "after");
    rmSync(join(state, "fleet.db-wal"));
    writeFileSync(join(state, "node.db"), "made after");
    // What cannot be copied ends it half way, as a kill would; then it can.
    const journal = join(releases, copy, "fleet.db-wal");
    rmSync(journal);
    mkdirSync(journal);
    const cut = copies.putBack(copy);
    const isUnderWay = copies.isPuttingBack(copy);
    rmSync(journal, { recursive: true });
    writeFileSync(journal, "journal");

    const aside = must(copies.putBack(copy));

    expect([cut.ok, isUnderWay, copies.isPuttingBack(copy)]).toEqual([false, true, false]);
    expect(readFileSync(join(state, "fleet.db"), "utf8")).toBe("before");
    expect(readFileSync(join(state, "fleet.db-wal"), "utf8")).toBe("journal");
    expect(readdirSync(aside).toSorted()).toEqual(["fleet.db", "node.db"]);
    expect(readFileSync(join(aside, "fleet.db"), "utf8")).toBe("after");
  });

  it("is one of a few that are kept", () => {
    const { releases, copies } = world();

    for (const id of ["1", "2", "3", "4"]) must(copies.take(id));

    expect(readdirSync(releases).toSorted()).toEqual(["state-3", "state-4"]);
  });

  it("is gone when it is not needed any more, and again without harm", () => {
    const { releases, copies } = world();
    const copy = must(copies.take("1"));

    copies.drop(copy);
    copies.drop(copy);

    expect(readdirSync(releases)).toEqual([]);
  });

  it("that cannot be made is a failure that says what to do", () => {
    const state = folder();
    writeFileSync(join(state, "fleet.db"), "before");
    writeFileSync(join(state, "releases"), "a file in the way");

    const failure = failureIn(stateCopies(state, join(state, "releases"), ["fleet.db"]).take("1"));

    expect(failure.message).toContain("copy the databases");
    expect(failure.remedy).toContain("disk space");
  });
});
