/**
 * What is killed: one swap, one recovery, or the control that copies in place.
 *   swap-main swap|recover|naive FOLDER
 */
import { accessSync, copyFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { crashPoint } from "../../../src/runtime/crash-point.ts";
import { BEGIN_MARK, END_MARK } from "./points.ts";
import { openSwap, RELEASE, swapIn } from "./world.ts";

const [mode = "", folder = ""] = process.argv.slice(2);

function mark(path: string): void {
  try {
    accessSync(path);
  } catch {
    // There is no such file: only the call matters.
  }
}

async function run(): Promise<void> {
  switch (mode) {
    case "swap":
      return swapIn(folder, crashPoint(process.env));
    case "recover": {
      const { swap } = openSwap(folder, crashPoint(process.env), 5);
      const recovery = swap.recover();
      if (recovery.ok && recovery.value.resume) await swap.resume();
      return;
    }
    case "naive": {
      const binary = join(folder, "naive", "drover");
      renameSync(binary, `${binary}.prev`);
      copyFileSync(join(folder, RELEASE, "drover-linux-x64"), binary);
      return;
    }
    default:
      throw new Error(`unknown mode ${mode}`);
  }
}

mark(BEGIN_MARK);
await run();
mark(END_MARK);
