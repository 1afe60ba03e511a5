/** Sends a release folder of this host to a node elsewhere. */
import { dirname, join } from "node:path";
import { err, ok, type Result, refused } from "#base";
import type { Api } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";

/** 110 MB at half a megabit a second. */
const UPLOAD_LIMIT_MS = 30 * 60_000;

/**
 * @param forFleet sends the files for every kind of machine, not only for that of the node
 * @returns the name of the upload, which an update takes.
 */
export async function uploadRelease(
  path: string,
  forFleet: boolean,
  api: Api,
  context: CommandContext,
): Promise<Result<string, Fault>> {
  const { environment, console } = context;
  const releases = await api.ask("ask for the node's target", (client) => client.api.releases.$get());
  if (!releases.ok) return releases;
  const folder = environment.directoryExists(path) ? path : dirname(path);
  const files = await (forFleet ? allFiles(folder) : filesFor(folder, releases.value.target));
  if (!files.ok) return err({ failure: files.error, exit: EXIT.failed });
  const id = `cli-${environment.clock.nowMs().toString(36)}`;
  for (const file of files.value) {
    const body = Bun.file(join(folder, file));
    console.note(`sending ${file}, ${body.size} bytes`);
    const param = { id, file };
    const sent = await api.ask(
      `send ${file}`,
      (client) => client.api.releases.uploads[":id"][":file"].$put({ param }, { init: { body } }),
      UPLOAD_LIMIT_MS,
    );
    if (!sent.ok) return sent;
  }
  return ok(id);
}

/** For a fleet: the manifest, and each file, packed where it is. */
async function allFiles(folder: string): Promise<Result<readonly string[]>> {
  const all = await Array.fromAsync(new Bun.Glob("{manifest.json,drover-*}").scan({ cwd: folder }));
  const files = all.filter((name) => !all.includes(`${name}.gz`)).sort();
  if (files.includes("manifest.json") && files.length > 1) return ok(files.toReversed());
  return err(refused("not_found", `${folder} is no release folder`, "Give one made by build/sign.ts release"));
}

/** The manifest, and the packed file where there is one: it is a third as long. The node checks both. */
async function filesFor(folder: string, target: string | undefined): Promise<Result<readonly string[]>> {
  const isThere = (file: string): Promise<boolean> => Bun.file(join(folder, file)).exists();
  const remedy = "Give a release folder made by build/sign.ts release";
  if (!(await isThere("manifest.json"))) {
    return err(refused("not_found", `there is no manifest.json in ${folder}`, remedy));
  }
  const plain = `drover-${target ?? ""}`;
  for (const file of [`${plain}.gz`, plain]) if (await isThere(file)) return ok(["manifest.json", file]);
  return err(refused("not_found", `there is no ${plain} in ${folder}, and that is what the node needs`, remedy));
}
