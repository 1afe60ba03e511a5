/**
 * Writes the install.sh that a server of releases offers: it knows its address and the root keys, so that one line
 * installs drover and checks its signature.
 *   bun build/stamp-installer.ts [--base-url URL] [--root-key FILE …] [--out dist/install.sh]
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { publicText, readPublicKey } from "../src/runtime/signing/keys.ts";
import { stampInstaller } from "./installer-stamp.ts";

const root = dirname(import.meta.dir);

function main(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      "base-url": { type: "string", default: "" },
      "root-key": { type: "string", multiple: true, default: [] },
      out: { type: "string", default: join(root, "dist", "install.sh") },
    },
  });
  const stamped = stampInstaller(readFileSync(join(root, "install.sh"), "utf8"), {
    baseUrl: values["base-url"],
    rootKeys: values["root-key"].map((path) => publicText(readPublicKey(path))),
  });
  if (typeof stamped !== "string") {
    console.error(`stamp-installer: ${stamped.fault}`);
    return 1;
  }
  mkdirSync(dirname(values.out), { recursive: true });
  writeFileSync(values.out, stamped, { mode: 0o755 });
  console.log(`stamp-installer: ${values.out}`);
  return 0;
}

process.exitCode = main(process.argv.slice(2));
