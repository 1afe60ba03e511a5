import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRootKeys } from "#watchdog";
import { localKeyFindings } from "../../../../src/runtime/diagnosis/local-key.ts";
import { makeLocalKey, readLocalKey } from "../../../../src/runtime/signing/local-key.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { valueOf } from "../../api/api-harness.ts";

const folder = temporaryFolders();
const DAY_MS = 24 * 3_600_000;
const NOW_MS = 1_763_700_000_000;

function world() {
  const stateDir = folder();
  const made = valueOf(makeLocalKey(join(stateDir, "local-release.key"), NOW_MS));
  const parsed = parseRootKeys([made.publicKey]);
  const roots = parsed.ok ? parsed.value : [];
  return { stateDir, made, facts: { stateDir, roots, nowMs: NOW_MS } };
}

describe("the key for releases from source", () => {
  it("is made for its owner alone, is usable, and never overwritten", () => {
    const { made, facts } = world();

    expect(statSync(made.file).mode & 0o777).toBe(0o600);
    expect(valueOf(readLocalKey(made.file, facts)).key.id).toBe(made.id);
    expect(makeLocalKey(made.file, NOW_MS)).toMatchObject({ ok: false, error: { code: "conflict" } });
    expect(valueOf(readLocalKey(made.file, facts)).key.id).toBe(made.id);
  });

  it.each<[string, (file: string) => unknown, string]>([
    ["others may read it", (file) => chmodSync(file, 0o640), "chmod 600"],
    ["it is a link", linked, "ELOOP"],
    ["its certificate is gone", (file) => rmSync(file.replace(".key", ".cert")), "local-release.cert"],
    ["its certificate is another key's", (file) => otherCertificate(file), "no certificate of the key"],
    ["it is no key", (file) => writeFileSync(file, "nonsense"), "update.local_key_file"],
    ["it lies where tasks can read", elsewhere, "must lie in"],
    ["none is configured", () => "", "no key is allowed"],
  ])("is not used when %s", (_name, spoil, message) => {
    const { made, facts } = world();

    const other = spoil(made.file);
    const read = readLocalKey(typeof other === "string" ? other : made.file, facts);

    expect(read).toMatchObject({ ok: false });
    expect(JSON.stringify(read)).toContain(message);
  });

  it("is not used once its certificate has run out, or its root is not trusted here", () => {
    const { made, facts } = world();

    expect(readLocalKey(made.file, { ...facts, nowMs: made.notAfterMs })).toMatchObject({ ok: false });
    expect(readLocalKey(made.file, { ...facts, roots: [] })).toMatchObject({ ok: false });
  });

  it("is in doctor's report, and its end is told before it comes", () => {
    const { made, facts } = world();
    const levels = [0, 371 * DAY_MS, 401 * DAY_MS].map(
      (laterMs) => localKeyFindings(made.file, { ...facts, nowMs: NOW_MS + laterMs })[0]?.level,
    );

    expect(levels).toEqual(["ok", "warn", "warn"]);
    expect(localKeyFindings("", facts)).toEqual([]);
  });
});

function linked(file: string): void {
  renameSync(file, `${file}.moved`);
  symlinkSync(`${file}.moved`, file);
}

function otherCertificate(file: string): void {
  const other = folder();
  valueOf(makeLocalKey(join(other, "x.key"), NOW_MS));
  copyFileSync(join(other, "x.cert"), file.replace(".key", ".cert"));
}

/** A workspace of a task lies in the state too. */
function elsewhere(file: string): string {
  const below = join(file, "..", "workspaces");
  mkdirSync(below);
  for (const name of ["local-release.key", "local-release.cert"])
    copyFileSync(join(file, "..", name), join(below, name));
  return join(below, "local-release.key");
}
