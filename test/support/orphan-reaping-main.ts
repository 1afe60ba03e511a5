/**
 * Makes orphans that end, beside a child of Bun's own, and says how many zombies are left: `orphan-reaping-main.ts`. As
 * PID 1 of a container it adopts orphans without asking for it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { adoptOrphans, reapOrphans, registerOwn } from "../../src/watchdog/io/orphans.ts";
import { waitUntil } from "./wait-until.ts";

const ORPHANS = 5;

function zombies(): number {
  return readdirSync("/proc").filter((name) => {
    try {
      const [state, parent] = readFileSync(`/proc/${name}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
      return state === "Z" && parent === String(process.pid);
    } catch {
      return false; // Not a process, or it ended.
    }
  }).length;
}

const missing = adoptOrphans();
if (missing !== undefined) throw new Error(missing);
const parent = Bun.spawn(
  ["sh", "-c", Array.from({ length: ORPHANS }, () => "setsid sh -c 'sleep 0.2 & exit' &").join("\n")],
  {
    stdio: ["ignore", "ignore", "ignore"],
  },
);
registerOwn(parent);
await parent.exited;
const before = await waitUntil("the orphans have ended", () => zombies() === ORPHANS && ORPHANS);
reapOrphans();
const afterOneLook = zombies();
// Bun's own child ends while orphans are looked for; its status must still reach Bun.
const own = Bun.spawn(["sh", "-c", "exit 42"], { stdio: ["ignore", "ignore", "ignore"] });
registerOwn(own);
reapOrphans();
const code = await own.exited;
await waitUntil("no zombie is left", () => (reapOrphans(), zombies() === 0));
console.log(JSON.stringify({ isFirst: process.pid === 1, before, afterOneLook, code }));
