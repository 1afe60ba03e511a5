/** Makes the generated parts of docs/operations/mind.md anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MIND_PAGE, withParts } from "./mind-page.ts";
import { root } from "./tree.ts";

const path = join(root, MIND_PAGE);
writeFileSync(path, withParts(readFileSync(path, "utf8")));
