import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { stampInstaller } from "../../build/installer-stamp.ts";
import { containing } from "./containing.ts";
import { InstallerWorld, repository } from "./installer-world.ts";
import { bareOf } from "./release-folder.ts";
import { openSource } from "./source.ts";

const script = readFileSync(join(repository, "install.sh"), "utf8");
const source = openSource();
afterAll(source.close);

describe("a stamped install.sh", () => {
  it("installs and checks the signature without being told anything, and refuses what is unsigned", async () => {
    const world = new InstallerWorld();
    source.add("stable", "2.0.0");
    const stamped = stampInstaller(script, { baseUrl: source.url, rootKeys: [bareOf(source.keys.root.publicKey)] });
    const path = join(world.path, "install.sh");
    if (typeof stamped !== "string") throw new Error(stamped.fault);
    writeFileSync(path, stamped);

    const signed = await world.run(["--user"], { script: path });
    rmSync(join(source.add("stable", "2.1.0"), "SHA256SUMS.sig"));
    const unsigned = await world.run(["--user"], { script: path });
    world.remove();

    expect(signed).toMatchObject({ code: 0, output: containing("checked: signature") });
    expect(unsigned).toMatchObject({ code: 5, output: containing("SHA256SUMS.sig is missing") });
  });

  it("is not made of what a shell would read as more than a word", () => {
    expect(stampInstaller(script, { baseUrl: "https://a'; rm -rf /; '", rootKeys: [] })).toHaveProperty("fault");
    expect(stampInstaller(script, { baseUrl: "", rootKeys: ["short"] })).toHaveProperty("fault");
    expect(stampInstaller("no variables", { baseUrl: "", rootKeys: [] })).toHaveProperty("fault");
  });
});
