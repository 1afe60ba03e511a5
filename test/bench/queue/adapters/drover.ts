import { createHash } from "node:crypto";
import { createIdFactory, present, type Result, silentLogger, type TaskId } from "#base";
import { type AttemptReport, Consumer, LANES, type NewTask, QueueService, type QueueStore } from "#queue";
import { openStores } from "#store";
import { realClock, realRandom } from "../../../../src/runtime/real-clock.ts";
import type { Adapter, Place } from "../adapter.ts";

const REQUIREMENTS = "{}";
const NORMAL_LANE = LANES.indexOf("normal");

const PASSED: AttemptReport = {
  outcome: "passed",
  consequence: "retryable",
  executor: "none",
  endpoint: null,
  model: null,
  durationMs: 0,
  tokens: 0,
  costMicrodollars: 0,
  error: null,
  report: null,
  result: null,
};

/** The whole product from submission to result, without HTTP and without a worker process: FULL durability. */
export async function openDrover(place: Place): Promise<Adapter> {
  const random = realRandom();
  const ids = createIdFactory(realClock, random);
  const stores = value(await openStores(place.folder, { clock: realClock, random, logger: silentLogger }));
  const node = ids.node();
  const queue = new QueueService({ store: stores.queue, clock: realClock, random, ids, node, logger: silentLogger });
  value(await queue.start());
  let consumer: Consumer | undefined;
  return {
    enqueue: async (payload) => {
      value(await queue.submit([submission(ids.task(), payload)]));
    },
    enqueueMany: async (payloads) => {
      value(await queue.submit(payloads.map((payload) => submission(ids.task(), payload))));
    },
    consume: async (concurrency, onStart) => {
      const run = async ({ body }: { readonly body: string }): Promise<AttemptReport> => {
        // `as`: written by `submission`.
        onStart((JSON.parse(body) as { readonly prompt: string }).prompt);
        return PASSED;
      };
      const options = { queue, holder: node, logger: silentLogger, concurrency, accepts: () => true, run };
      consumer = new Consumer(options);
      consumer.start();
    },
    pending: () => openTasks(stores.queue),
    commits: () => stores.commits(),
    close: async () => {
      await consumer?.stop();
      await queue.stop();
      await stores.close();
    },
  };
}

/** What the edge makes of a submission: its body as text and the digest that tells a repetition from a conflict. */
function submission(id: TaskId, payload: string): NewTask {
  const body = JSON.stringify({ title: "bench", executor: "shell", command: ["true"], prompt: payload });
  return {
    id,
    lane: NORMAL_LANE,
    key: "",
    requirements: REQUIREMENTS,
    dependsOn: [],
    dependencyPolicy: "fail",
    runAtMs: null,
    maxAttempts: 3,
    retryBaseMs: 1_000,
    retryMaxMs: 300_000,
    idempotencyKey: null,
    bodyHash: createHash("sha256").update(body).digest("hex"),
    labels: {},
    body,
  };
}

async function openTasks(store: QueueStore): Promise<number> {
  return value(await store.lanes()).reduce(
    (sum, { counts }) => sum + counts.waiting + counts.ready + counts.running,
    0,
  );
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error.message);
  return present(result.value, "a result that is ok has a value");
}
