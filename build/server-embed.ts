/**
 * Puts the packed libSQL server into the executable: the module that says "none" in the source tree says in the build
 * where it is. As a file of the executable it is read when somebody opens it, and by nobody else.
 */
import type { PackedServer } from "./pack-server.ts";

const MODULE = /[\\/]src[\\/]runtime[\\/]fleet[\\/]embedded-server\.ts$/;

/** The text of the module in a build that carries `server`. Pure. */
export function embeddedServerModule({ path, sha256, bytes }: PackedServer): string {
  return (
    `import path from ${JSON.stringify(path)} with { type: "file" };\n` +
    `export const embeddedServer = { path, sha256: ${JSON.stringify(sha256)}, bytes: ${bytes} };\n`
  );
}

/** The plugin of one build; for a target without a server it changes nothing. */
export function serverEmbed(server: PackedServer | undefined): Bun.BunPlugin {
  return {
    name: "server-embed",
    setup(build) {
      if (server === undefined) return;
      build.onLoad({ filter: MODULE }, () => ({ contents: embeddedServerModule(server), loader: "ts" }));
    },
  };
}
