import type { AdapterInfo } from "./adapter.ts";
import { openBullmq } from "./adapters/bullmq.ts";
import { openBunqueue } from "./adapters/bunqueue.ts";
import { openDrover } from "./adapters/drover.ts";
import { openGraphileWorker } from "./adapters/graphile-worker.ts";
import { openPlainjob } from "./adapters/plainjob.ts";

/** Every row of the table. Versions of the rivals are in rivals/package.json. */
export const ADAPTERS: readonly AdapterInfo[] = [
  { name: "drover", durability: "power loss (FULL)", server: "none", isRival: false, open: openDrover },
  { name: "bunqueue", durability: "crash (durable: true, NORMAL)", server: "none", isRival: true, open: openBunqueue },
  { name: "plainjob", durability: "crash (NORMAL)", server: "none", isRival: true, open: openPlainjob },
  {
    name: "bullmq",
    durability: "crash (AOF everysec)",
    server: "redis-everysec",
    isRival: true,
    open: openBullmq,
  },
  {
    name: "bullmq-always",
    durability: "power loss (AOF always)",
    server: "redis-always",
    isRival: true,
    open: openBullmq,
  },
  {
    name: "graphile",
    durability: "power loss (fsync)",
    server: "postgres",
    isRival: true,
    open: openGraphileWorker(false),
  },
  {
    name: "graphile-batch",
    durability: "power loss (fsync)",
    server: "postgres",
    isRival: true,
    open: openGraphileWorker(true),
  },
];
