/** Opens a state directory, says so, and keeps it until it is killed; with `and-close` it leaves at once. */
import { openedStores } from "./opened-stores.ts";
import { realClock } from "./real-clock.ts";

const [dir, andClose] = process.argv.slice(2);
if (dir === undefined) throw new Error("usage: store-holder-main DIR [and-close]");
const stores = await openedStores(dir, { clock: realClock });
console.log("open");
if (andClose === undefined) setInterval(() => undefined, 1_000);
else await stores.close();
