/** A static file server on loopback, as anyone may put before a folder of releases. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

export type ReleaseServer = {
  readonly url: string;
  /** Paths asked for, the first first. */
  readonly asked: readonly string[];
  readonly stop: () => Promise<void>;
};

/** @param answer changes what is sent for a path; undefined leaves it. */
export function serveReleases(folder: string, answer?: (path: string, bytes: Uint8Array) => Response | undefined) {
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      const path = join(folder, pathname);
      if (!path.startsWith(folder) || !existsSync(path) || !statSync(path).isFile()) {
        return new Response("no such file\n", { status: 404 });
      }
      const bytes = readFileSync(path);
      return answer?.(pathname, bytes) ?? new Response(bytes);
    },
  });
  const served: ReleaseServer = { url: `http://127.0.0.1:${server.port}`, asked, stop: async () => server.stop(true) };
  return served;
}
