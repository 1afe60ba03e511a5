import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ok } from "#base";
import { registered, repositorySchema } from "#repos";
import { checkPlace } from "../../../src/runtime/goals/goal-place.ts";
import { failureIn } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const site = repositorySchema.parse({ name: "site", url: "https://git.example.org/ada/site.git" });

function placed(order: { repository?: string; workspace?: string }, ...states: ("active" | "removed")[]) {
  const nodes = { all: () => states.map((state) => ({ state })) };
  const given = { repository: null, workspace: null, ...order };
  return checkPlace(given, { repositories: () => ok(registered([site], [])), nodes });
}

describe("the place of a goal", () => {
  it("is a registered repository, a folder that is there, or one that drover makes", () => {
    for (const order of [{ repository: "site" }, { workspace: folder() }, {}]) expect(placed(order).ok).toBe(true);
  });

  it("is no repository that nobody registered; which one may be meant is said", () => {
    const { message, remedy } = failureIn(placed({ repository: "sitte" }));

    expect(message).toBe("no repository is registered as sitte");
    expect(remedy).toContain("site");
  });

  it("is no folder that the only node lacks, whoever else has left; another node may have it", () => {
    const file = join(folder(), "file");
    writeFileSync(file, "");

    for (const workspace of ["/nonexistent/x", file, `${file}/below`]) {
      const { message, remedy } = failureIn(placed({ workspace }, "active", "removed"));
      expect(message).toContain(workspace);
      expect(remedy).toContain("Make the folder");
    }
    expect(placed({ workspace: "/nonexistent/x" }, "active", "active").ok).toBe(true);
  });
});
