/** The builds of this node, from its configuration and its other parts. */
import type { WatchdogPort } from "#api";
import type { Logger } from "#base";
import type { Config } from "../config/settings.ts";
import type { Engine } from "../engine.ts";
import { sandboxLauncher } from "../program.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { compiledRootKeys, trustedRoots } from "../root-keys.ts";
import { publicText } from "../signing/keys.ts";
import { readLocalKey } from "../signing/local-key.ts";
import { target, version } from "../version.ts";
import { SourceBuilds } from "./source-builds.ts";

type Parts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly engine: Pick<Engine, "sandbox" | "failsafes">;
  readonly watchdog: WatchdogPort;
  readonly logger: Logger;
};

export function sourceBuilds({ config, stateDir, engine, watchdog, logger }: Parts): SourceBuilds {
  const { sandbox, failsafes } = engine;
  const compiled = compiledRootKeys();
  const own = compiled.ok ? compiled.value : [];
  const roots = trustedRoots(config);
  const builds = new SourceBuilds({
    config,
    stateDir,
    sandbox,
    launcher: sandboxLauncher(),
    clock: realClock,
    random: realRandom(),
    logger,
    target,
    version,
    watchdog,
    rootKeys: own.map(({ publicKey }) => publicText(publicKey)),
    readKey: () => readLocalKey(config["update.local_key_file"], { stateDir, roots, nowMs: realClock.nowMs() }),
    gate: {
      held: async () => {
        await builds.settle();
        await failsafes.look();
        return failsafes.buildsHeld;
      },
    },
  });
  failsafes.watchBuilds(builds);
  return builds;
}
