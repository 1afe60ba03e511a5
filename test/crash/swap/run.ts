/** The whole run in one world: releases are made, a watchdog is started, swapped under load, and given bad releases. */
import { join } from "node:path";
import { type Answer, BINARY, BinaryWorld } from "../../support/binary-node.ts";
import { type BadReport, tryBadReleases } from "./bad-releases.ts";
import { buildFaulty, ReleaseShop, versionUnderTest } from "./release-shop.ts";
import { Swapping, type SwapReport, swapUnderLoad } from "./swapping.ts";

/** So short that hundreds of swaps can be made. */
const SHORT_PROBATION_MS = 300;
/** Time enough to be started four times, which is once too often. */
const PROBATION_MS = 10_000;
/** Releases that never become ready are waited for so long: a multiple of what a good one takes on a busy machine. */
const START_LIMIT_MS = 5_000;
/** The slow one would be ready after that. */
const SLOW_MS = START_LIMIT_MS + 1_000;
/** Newer than any release under test. */
const OTHER_VERSION = "8.0.0";

export async function runAll(
  goal: { readonly swaps: number; readonly requests: number },
  said: { readonly progress: (text: string) => void; readonly bad: (report: BadReport) => void },
): Promise<{ readonly swap: SwapReport; readonly bad: readonly BadReport[] }> {
  const world = new BinaryWorld();
  try {
    const shop = new ReleaseShop(join(world.path, "shop"));
    const a = shop.release(versionUnderTest(), BINARY);
    const b = shop.release(OTHER_VERSION, shop.build(OTHER_VERSION));
    const faulty = await buildFaulty(join(world.path, "shop", "faulty"), SLOW_MS);
    const swapping = await Swapping.start(world, shop.publicKey, {
      startMs: START_LIMIT_MS,
      probationMs: SHORT_PROBATION_MS,
    });
    const { second } = await swapping.twice(b);
    await swapping.to(a);
    const swapped = await swapUnderLoad(swapping, [a, b], goal, said.progress);
    if ((await swapping.releases()).current !== b.version) await swapping.to(b);
    const left = await leftBy(world, swapping);
    const watched = await Swapping.start(world, shop.publicKey, {
      startMs: START_LIMIT_MS,
      probationMs: PROBATION_MS,
    });
    const bad = await tryBadReleases(watched, b, { shop, faulty, old: a }, said.bad);
    return {
      swap: { ...swapped, second: codeOf(second), leftovers: [...left, ...(await leftBy(world, watched))] },
      bad,
    };
  } finally {
    world.remove();
  }
}

function codeOf({ status, body }: Answer): SwapReport["second"] {
  // `as`: a problem document, or an answer without a code.
  return { status, code: (body as { readonly code?: unknown }).code };
}

/** Ends it. @returns what there was besides watchdog and node before, and what there is afterwards. */
async function leftBy(world: BinaryWorld, swapping: Swapping): Promise<readonly string[]> {
  const commands = world.processes().map(({ command }) => command);
  const strays = commands.filter((command) => !/\/drover (up|node) /.test(command));
  const surplus = commands.length === 2 ? [] : [`${commands.length} processes instead of watchdog and node`];
  await swapping.stop();
  return [...strays, ...surplus, ...world.processes().map(({ pid, command }) => `${pid} ${command}`)];
}
