/**
 * Writes the install.sh that a server of releases offers: it knows its address and the root keys, so that one line
 * installs drover and checks its signature.
 *   bun build/stamp-installer.ts [--base-url URL] [--root-key FILE …] [--out dist/install.sh]
 */
import { createPublicKey } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
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
    rootKeys: values["root-key"].map((path) => bareKey(readFileSync(path, "utf8").trim())),
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

/** The 32 bytes of a key in base64; PEM holds them behind 12 that say what they are (RFC 8410, section 4). */
function bareKey(text: string): string {
  if (!text.includes("-----BEGIN")) return text;
  return createPublicKey(text).export({ type: "spki", format: "der" }).subarray(12).toString("base64");
}

process.exitCode = main(process.argv.slice(2));
