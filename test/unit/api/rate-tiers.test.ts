import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openConnection } from "../../../src/store/connection.ts";
import { LibsqlRateLimits } from "../../../src/store/hooks/rate-limits.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { NODE_MIGRATIONS } from "../../../src/store/migrations/node.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { createCli, parsed } from "../cli/cli-harness.ts";

const folder = temporaryFolders();

describe("the limits of the API", () => {
  it("hold by tier, and what a person sets goes before them, at once and over restarts", async () => {
    const connection = openConnection(join(folder(), "node.db"));
    migrateDatabase(connection, NODE_MIGRATIONS, 1);
    const ports = { rateLimits: new LibsqlRateLimits(connection) };
    const configured = { rateLimits: { write: { perSecond: 100, burst: 200 } } };
    const cli = createCli({ ports, api: configured });

    const set = await cli.run("limits", "set", "read", "--per-second", "1", "--burst", "5");
    const statuses: number[] = [];
    for (let n = 0; n < 6; n += 1) statuses.push((await cli.harness.send("GET", "/api/breakers")).status);

    expect(set.exit).toBe(0);
    expect(set.stdout).toMatch(/^read +1 +5 +override +1000, 2000$/m);
    expect(set.stdout).toMatch(/^write +100 +200 +configuration +-$/m);
    expect(set.stdout).toMatch(/^node_member +250 +1000 +default +-$/m);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    const next = createCli({ ports, api: configured });
    const listed = parsed((await next.run("limits", "list", "--json")).stdout) as { limits: { tier: string }[] };
    expect(listed.limits.find(({ tier }) => tier === "read")).toMatchObject({
      perSecond: 1,
      burst: 5,
      origin: "override",
    });
    const unset = await next.run("limits", "unset", "read");
    expect(unset.stdout).toMatch(/^read +1000 +2000 +default +-$/m);
    expect(createCli({ ports }).harness.ports.rateLimits.list()).toEqual({ ok: true, value: [] });
    connection.close();
  });

  it.each([
    ["read", { perSecond: 0.5 }, 400],
    ["read", { perSecond: 10, burst: 1 }, 400],
    ["read", { perSecond: 2_000_000 }, 400],
    ["nobody", { perSecond: 10 }, 404],
  ])("of %s cannot be set to %j", async (tier, wish, status) => {
    const { harness } = createCli();

    expect((await harness.send("PUT", `/api/limits/${tier}`, wish)).status).toBe(status);
  });

  it("are for those with the token alone to see and set", async () => {
    const { harness } = createCli();

    expect((await harness.api.app.request("http://localhost/api/limits")).status).toBe(401);
    expect((await harness.api.app.request("http://localhost/api/limits/read", { method: "DELETE" })).status).toBe(401);
  });

  it("cannot be set without saying to what", async () => {
    expect(await createCli().run("limits", "set", "read")).toMatchObject({ exit: 2 });
  });
});
