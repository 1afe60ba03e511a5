import { describe, expect, it } from "vitest";
import { findForgeRepository, type RepositoryInput, registered, repositorySchema } from "#repos";

const API = "https://git.example.org/api/v1";

function all(...inputs: readonly Omit<RepositoryInput, "path">[]) {
  const configured = inputs.map((input) => repositorySchema.parse({ path: "/srv/somewhere", ...input }));
  return registered(configured, []);
}

describe("a repository as a forge calls it", () => {
  const known = all(
    { name: "site", forge: { kind: "github", repository: "Ada/Site" } },
    { name: "mirror", forge: { kind: "gitea", repository: "ada/site", apiUrl: API } },
    { name: "plain", forge: { repository: "group/app" } },
    { name: "etc", forge: { kind: "github", repository: "ada/etc" } },
    { name: "etc2", forge: { kind: "github", repository: "ada/etc" } },
  );
  it.each([
    ["github", "ada/site", "site"],
    ["forgejo", "ADA/site", "mirror"],
    ["gitlab", "group/app", "plain"],
    ["generic", "group/app", "plain"],
    ["gitlab", "ada/site", "not_found"],
    ["github", "site", "not_found"],
    ["github", "/srv/somewhere", "not_found"],
    ["github", "ada/etc", "conflict"],
    ["generic", "ada/site", "conflict"],
  ])("that %s calls %s is %s", (kind, name, expected) => {
    const found = findForgeRepository(known, kind, name);
    expect(found.ok ? found.value.name : found.error.code).toBe(expected);
  });
});
