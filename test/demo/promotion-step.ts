/** The last step of the fleet's demo: the hub is lost, a member takes its place, and the hub returns. */
import { z } from "zod";
import type { FleetNode } from "./fleet-node.ts";

const STEP_LIMIT_MS = 60_000;

const standingSchema = z.object({
  role: z.string(),
  epoch: z.number(),
  hub: z.object({ name: z.string() }).nullable(),
});
const foldersSchema = z.object({
  folders: z.array(
    z.object({
      state: z.string(),
      counts: z.object({ accepted: z.number(), superseded: z.number(), refused: z.number() }),
    }),
  ),
});
const taskSchema = z.object({ state: z.string(), attempts: z.array(z.object({ outcome: z.string() })) });

export type PromotionStep = {
  readonly hub: FleetNode;
  /** Follows it, and is reached by others. */
  readonly heir: FleetNode;
  /** Of before: all of them are done. */
  readonly done: readonly string[];
  readonly submit: (node: FleetNode) => Promise<readonly string[]>;
  readonly say: (text: string) => void;
  readonly until: (what: string, holds: () => Promise<boolean>, limitMs: number) => Promise<void>;
};

export async function promotionStep({ hub, heir, done, submit, say, until }: PromotionStep): Promise<void> {
  heir.signal("SIGSTOP");
  const own = await submit(hub);
  const killed = hub.signal("SIGKILL");
  heir.signal("SIGCONT");
  say(`${own.length} more were accepted by the hub alone, and the hub is killed (${killed} processes)`);

  const promotedMs = performance.now();
  await heir.drover("promote", "--yes", "--force");
  const isHub = async (): Promise<boolean> => (await heir.ask(standingSchema, "/api/fleet")).role === "hub";
  await until(`${heir.name} is the hub`, isHub, STEP_LIMIT_MS);
  const { epoch } = await heir.ask(standingSchema, "/api/fleet");
  say(
    `${heir.name} is the hub now, ${Math.round(performance.now() - promotedMs)} ms after drover promote (epoch ${epoch})`,
  );
  if ((await countDoneOnce(heir, done)) !== done.length) throw new Error("a task that was done is not any more");
  say(`it shows the ${done.length} of before done, each by one attempt`);

  await hub.drover("up", "--detach");
  const isSettled = async (): Promise<boolean> =>
    (await hub.ask(foldersSchema, "/api/fleet/quarantine")).folders[0]?.state === "settled";
  await until("the old hub has sent what it alone had", isSettled, STEP_LIMIT_MS);
  const [folder] = (await hub.ask(foldersSchema, "/api/fleet/quarantine")).folders;
  const { accepted = 0, superseded = 0, refused = 0 } = folder?.counts ?? {};
  say(
    `the old hub is back as a member: of its own, ${accepted} accepted, ${superseded} superseded, ${refused} refused`,
  );
  const all = [...done, ...own];
  await until("all are done", async () => (await countDoneOnce(heir, all)) === all.length, STEP_LIMIT_MS);
  say(`all ${all.length} are done, each by one attempt that counts`);
}

async function countDoneOnce(node: FleetNode, ids: readonly string[]): Promise<number> {
  const tasks = await Promise.all(ids.map((id) => node.ask(taskSchema, `/api/tasks/${id}`)));
  const passedOnce = (outcomes: readonly string[]): boolean =>
    outcomes.filter((each) => each === "passed").length === 1;
  return tasks.filter(({ state, attempts }) => state === "done" && passedOnce(attempts.map(({ outcome }) => outcome)))
    .length;
}
