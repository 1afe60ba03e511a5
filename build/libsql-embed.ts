/**
 * Embeds libsql's native addon into the executable.
 *
 * WHY: libsql chooses its addon at run time with require(`@libsql/${target}`). A bundler cannot follow a template, so
 * a plain build succeeds and the executable dies at its first database call on a machine without node_modules
 * (oven-sh/bun#18909). This plugin rewrites that one call to the literal path of the target's addon.
 */
import { readFileSync } from "node:fs";

/** Where libsql's two loaders are: index.js (synchronous) and promise.js. */
const LOADER_FILES = /[\\/]node_modules[\\/]libsql[\\/](?:index|promise)\.js$/;

/** The parts of a loader that the rewrite touches. Each must be there exactly once. */
const CALL = /= requireNative\(\);/g;
const FUNCTION = /^function requireNative\(\) \{\n[\s\S]*?^\}\n/gm;
const LOAD_IMPORT = /^const \{ load, currentTarget \} = require\("@neon-rs\/load"\);\n/gm;
const LIBC_IMPORT = /^const \{ familySync, GLIBC, MUSL \} = require\("detect-libc"\);\n/gm;

/**
 * A loader with its addon named literally, and without what only served to choose one (its template would be refused by
 * `allowUnresolved: []`). Pure, so that the guard is tested without a build.
 * @throws when the loader is not the one we know: a changed libsql must stop the build, not the user's first task.
 */
export function embedAddon(source: string, addonPath: string, fileName: string): string {
  let text = source;
  const replaceOnce = (what: string, pattern: RegExp, replacement: string): void => {
    const found = text.match(pattern)?.length ?? 0;
    if (found !== 1) {
      throw new Error(
        `embed libsql addon: expected exactly one ${what} in ${fileName}, found ${found}. ` +
          "libsql's loader has changed: read it and adapt build/libsql-embed.ts before building again.",
      );
    }
    text = text.replace(pattern, () => replacement);
  };
  replaceOnce("call of requireNative()", CALL, `= require(${JSON.stringify(addonPath)});`);
  replaceOnce("function requireNative", FUNCTION, "");
  replaceOnce("import of @neon-rs/load", LOAD_IMPORT, "");
  replaceOnce("import of detect-libc", LIBC_IMPORT, "");
  return text;
}

/** The plugin of one build, and the proof that it did its work. */
export type LibsqlEmbed = {
  readonly plugin: Bun.BunPlugin;
  /** Loader files rewritten so far. None after a build that uses the database means that libsql moved its loader. */
  readonly rewritten: readonly string[];
};

/** @param addonPath the target's index.node, absolute. */
export function libsqlEmbed(addonPath: string): LibsqlEmbed {
  const rewritten: string[] = [];
  return {
    rewritten,
    plugin: {
      name: "libsql-embed",
      setup(build) {
        build.onLoad({ filter: LOADER_FILES }, ({ path }) => {
          const contents = embedAddon(readFileSync(path, "utf8"), addonPath, path);
          rewritten.push(path);
          return { contents, loader: "js" };
        });
      },
    },
  };
}
