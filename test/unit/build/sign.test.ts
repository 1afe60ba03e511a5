/** `bun build/sign.ts`, run as a person runs it, and what a node then says of the release. */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { localSource, parseRootKeys, ReleaseStore } from "#watchdog";
import { hostTarget } from "../../../build/targets.ts";
import { publicText, readPrivateKey, readPublicKey } from "../../../src/runtime/signing/keys.ts";
import { realClock } from "../../support/real-clock.ts";
import { anyExecutable, scriptOf } from "../../support/releases.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const root = join(dirname(import.meta.dirname), "..", "..");
const folders = temporaryFolders();
let folder: string;
beforeEach(() => {
  folder = folders();
});

function sign(...args: readonly string[]) {
  const done = spawnSync(process.execPath, [join(root, "build", "sign.ts"), ...args], {
    cwd: folder,
    encoding: "utf8",
  });
  return { code: done.status, said: `${done.stdout}${done.stderr}` };
}

function makeDist(): void {
  mkdirSync(join(folder, "dist", "linux-arm64"), { recursive: true });
  writeFileSync(join(folder, "dist", hostTarget()?.exeSuffix === ".exe" ? "drover.exe" : "drover"), scriptOf("7.0.0"));
  writeFileSync(join(folder, "dist", "linux-arm64", "drover"), scriptOf("7.0.0"));
}

const RELEASE = ["release", "dist", "out", "--channel", "stable", "--version", "7.0.0"] as const;
const SIGNED = ["--key", "keys/signing.key", "--certificate", "keys/signing.cert"] as const;

function reasonAtNode(release: string, state = "releases"): Promise<string> {
  const roots = parseRootKeys([readFileSync(join(folder, "keys", "root.pub"), "utf8")]);
  const store = new ReleaseStore({
    folder: join(folder, state),
    clock: realClock,
    roots: roots.ok ? roots.value : [],
    target: "linux-arm64",
    wishes: () => ({ channel: "stable", pinned: null, schema: { fleet: 1, node: 1 } }),
    executableCheck: anyExecutable,
  });
  store.prepare();
  const order = { id: "try-1", mayBeOlder: false, again: true };
  return store
    .stage(localSource(join(folder, release)), order)
    .then((staged) => (staged.ok ? `staged ${staged.value.version}` : staged.error.refusal.reason));
}

describe("signing", () => {
  it("makes keys for their owner alone, and a release folder that a node takes", async () => {
    makeDist();

    expect(sign("keys", "keys")).toMatchObject({ code: 0 });
    expect(sign(...RELEASE, ...SIGNED)).toMatchObject({ code: 0 });

    for (const name of ["root.key", "signing.key"])
      expect(statSync(join(folder, "keys", name)).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "out"))).toEqual(
      expect.arrayContaining(["SHA256SUMS", "drover-linux-arm64", "drover-linux-arm64.gz", "manifest.json"]),
    );
    expect(await reasonAtNode("out")).toBe("staged 7.0.0");
    const sums = readFileSync(join(folder, "out", "SHA256SUMS"), "utf8")
      .trimEnd()
      .split("\n");
    const computed = sums.map((line) => {
      const name = line.slice(66);
      return `${createHash("sha256")
        .update(readFileSync(join(folder, "out", name)))
        .digest("hex")}  ${name}`;
    });
    expect(sums).toEqual(computed);
    // All but the list itself and what vouches for it, by which install.sh checks it.
    const vouching = ["SHA256SUMS", "SHA256SUMS.sig", "signing-key.pem", "signing-key.cert"];
    const listed = sums.map((line) => line.slice(66));
    expect([...listed, ...vouching].toSorted()).toEqual(readdirSync(join(folder, "out")).toSorted());
  });

  it("rotates the key and revokes the old one", async () => {
    makeDist();
    sign("keys", "keys");
    sign("keys", "new");
    sign(...RELEASE, ...SIGNED);
    const old = readPrivateKey(join(folder, "keys", "signing.key")).id;
    const revoke = [
      "revoke",
      "--root",
      "keys/root.key",
      "--public",
      "new/signing.pub",
      "--revoke",
      old,
      "--out",
      "new.cert",
    ];

    expect(sign(...revoke)).toMatchObject({ code: 0 });
    const again = ["release", "dist", "out2", "--channel", "stable", "--version", "7.0.1"];
    expect(sign(...again, "--key", "new/signing.key", "--certificate", "new.cert")).toMatchObject({ code: 0 });

    expect(await reasonAtNode("out2")).toBe("staged 7.0.1");
    expect(await reasonAtNode("out")).toBe("key_revoked");
  });

  it.each([
    [
      "without a certificate of the key",
      [...RELEASE, "--key", "keys/root.key", "--certificate", "keys/signing.cert"],
      "no node would take",
    ],
    ["without a key", [...RELEASE], "give --key"],
    [
      "under a version that is none",
      ["release", "dist", "o", "--channel", "c", "--version", "7", ...SIGNED],
      "no semantic version",
    ],
    [
      "of an empty folder",
      ["release", "keys", "o", "--channel", "c", "--version", "7.0.0", ...SIGNED],
      "no executable",
    ],
    ["over another", ["release", "dist", "dist", "--channel", "c", "--version", "7.0.0", ...SIGNED], "not empty"],
  ])("makes no release %s", (_what, args, said) => {
    makeDist();
    sign("keys", "keys");

    const done = sign(...args);

    expect(done.code).toBe(1);
    expect(done.said).toContain(said);
  });

  it("never overwrites a key", () => {
    sign("keys", "keys");
    const before = readFileSync(join(folder, "keys", "root.key"));

    expect(sign("keys", "keys")).toMatchObject({ code: 1 });
    expect(readFileSync(join(folder, "keys", "root.key"))).toEqual(before);
  });

  it("reads public keys as PEM and as base64, and refuses a private one in their place", () => {
    sign("keys", "keys");
    const key = readPrivateKey(join(folder, "keys", "root.key"));
    const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key.publicKey]).toString("base64");
    writeFileSync(join(folder, "root.pem"), `-----BEGIN PUBLIC KEY-----\n${spki}\n-----END PUBLIC KEY-----\n`);

    expect(publicText(readPublicKey(join(folder, "root.pem")))).toBe(publicText(key.publicKey));
    expect(publicText(readPublicKey(join(folder, "keys", "root.pub")))).toBe(publicText(key.publicKey));
    expect(() => readPublicKey(join(folder, "keys", "root.key"))).toThrow("private key");
  });
});
