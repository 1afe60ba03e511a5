/** Updates that a node builds from changed source: asking for one, following it, and what became of earlier ones. */
import { resolve } from "node:path";
import { refused } from "#base";
import type { Api, Client, SuccessOf } from "../connection/api.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";

type Builds = SuccessOf<Awaited<ReturnType<Client["api"]["source-builds"]["$get"]>>>;
type Build = Builds["builds"][number];

const LOOK_EVERY_MS = 500;
const BUILDS_SHOWN = 10;
/** Of the newest build that failed. */
const LINES_SHOWN = 20;

type Options = {
  readonly fromSource: string;
  readonly patch: string | undefined;
  readonly checkOnly: boolean;
  readonly noWait: boolean;
};

/** @returns the exit code; or that the watchdog has taken the release, whose swap is to be followed. */
export async function updateFromSource(
  options: Options,
  api: Api,
  context: CommandContext,
): Promise<number | "handedOver"> {
  const { console, environment } = context;
  const patch = options.patch === undefined ? undefined : await environment.readText(options.patch);
  if (patch?.ok === false) return console.fail(patch.error);
  const source = resolve(environment.cwd, options.fromSource);
  const json = { source, checkOnly: options.checkOnly, ...(patch === undefined ? {} : { patch: patch.value }) };
  const begun = await api.ask("build from source", (client) => client.api.update.$post({ json }));
  if (!begun.ok) return console.fail(begun.error);
  const id = typeof begun.value["build"] === "string" ? begun.value["build"] : "";
  if (options.noWait) {
    if (console.json) console.document(begun.value);
    else console.line(`Build ${id} has begun. Look with: drover releases`);
    return EXIT.ok;
  }
  const build = await untilEnded(id, context);
  if (typeof build === "number") return build;
  if (build.result === "built") {
    console.note(`drover ${build.version} is built and tested, and is being installed`);
    return "handedOver";
  }
  return ended(build, context);
}

/** The limits of the node end it; this only watches. */
async function untilEnded(id: string, context: CommandContext): Promise<Build | number> {
  const { console, environment } = context;
  const startMs = environment.clock.monotonicMs();
  let shown = "";
  for (;;) {
    if (environment.interrupted.aborted) return EXIT.failed;
    const api = await context.connect();
    const found = api.ok
      ? await api.value.ask("look at the build", (client) => client.api["source-builds"].$get())
      : api;
    if (!found.ok) return console.fail(found.error);
    const build = found.value.builds.find((one) => one.id === id);
    if (build !== undefined) return build;
    const { building } = found.value;
    if (building?.id !== id) {
      const message = `build ${id} is not there any more: the node was restarted`;
      return console.fail(refused("not_found", message, "Look with: drover releases"));
    }
    if (building.step !== shown) {
      shown = building.step;
      const words = shown.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      console.note(`${durationText(environment.clock.monotonicMs() - startMs)}: to be ${words}`);
    }
    await pause(environment.clock, LOOK_EVERY_MS, environment.interrupted);
  }
}

function ended(build: Build, { console }: CommandContext): number {
  const isSound = build.result === "checked";
  if (console.json) console.document(build);
  else if (isSound) console.line(`${build.source} builds and passes its tests; nothing was installed`);
  else {
    if (build.output !== "") console.line(build.output.split("\n").map(oneLine).join("\n"));
    console.line(`build ${build.id} ${build.result}: ${oneLine(build.reason ?? "-")}`);
  }
  return isSound ? EXIT.ok : EXIT.failed;
}

const COLUMNS: readonly Column<Build>[] = [
  { title: "BUILD", value: ({ id }) => id },
  { title: "VERSION", value: ({ version }) => version ?? "-" },
  { title: "COMMIT", value: ({ commit }) => commit?.slice(0, 12) ?? "-" },
  { title: "CHANGES", value: ({ changesSha256 }) => changesSha256?.slice(0, 12) ?? "none", optional: true },
  { title: "RESULT", value: ({ result, swap }) => (swap === null ? result : `${result}, ${swap}`) },
  { title: "BY", value: ({ askedBy }) => oneLine(askedBy), optional: true },
  { title: "REASON", value: ({ reason }) => oneLine(reason ?? "-"), shrinks: true },
];

/** Prints nothing where nothing was ever built. */
export function printBuilds({ building, builds }: Builds, { console }: CommandContext): void {
  if (building !== null) console.line(`building  ${building.id} of ${oneLine(building.source)}: ${building.step}`);
  if (builds.length === 0) return;
  console.line();
  console.table([...builds].reverse().slice(0, BUILDS_SHOWN), COLUMNS);
  const last = builds.at(-1);
  if (last === undefined || last.output === "") return;
  console.line();
  console.line(`The last lines of ${last.id}:`);
  for (const line of last.output.split("\n").slice(-LINES_SHOWN)) console.line(`  ${oneLine(line)}`);
}
