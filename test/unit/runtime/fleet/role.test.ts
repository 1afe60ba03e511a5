import { describe, expect, it } from "vitest";
import { type RoleFacts, roleOf } from "../../../../src/runtime/fleet/role.ts";

const PLAIN: RoleFacts = {
  configured: "auto",
  storeUrl: "",
  tokenFile: "",
  noted: undefined,
  isMember: false,
  hasServer: true,
};
const URL = "http://db.example:8080";

describe("the role of a node", () => {
  it.each<[string, Partial<RoleFacts>, object]>([
    ["nothing set", {}, { kind: "solo" }],
    ["solo", { configured: "solo" }, { kind: "solo" }],
    ["nothing set on a system without a server", { hasServer: false }, { kind: "solo" }],
    ["hub", { configured: "hub" }, { kind: "hub", store: { kind: "own" } }],
    ["auto after an invitation", { noted: "hub" }, { kind: "hub", store: { kind: "own" } }],
    ["auto after it was a hub by its configuration", { noted: "configured" }, { kind: "solo" }],
    ["solo after that", { configured: "solo", noted: "configured" }, { kind: "solo" }],
    ["a server elsewhere", { storeUrl: URL }, { kind: "hub", store: { kind: "other", url: URL, tokenFile: null } }],
    [
      "a server elsewhere, with its token, on a system without one",
      { configured: "hub", storeUrl: URL, tokenFile: "/t", hasServer: false },
      { kind: "hub", store: { kind: "other", url: URL, tokenFile: "/t" } },
    ],
    ["joined", { isMember: true }, { kind: "member" }],
    ["joined, with a server for when it is promoted", { isMember: true, storeUrl: URL }, { kind: "member" }],
    ["joined, and once a hub", { isMember: true, noted: "hub" }, { kind: "member" }],
  ])("%s", (_name, facts, expected) => {
    expect(roleOf({ ...PLAIN, ...facts })).toEqual({ ok: true, value: expected });
  });

  it.each<[string, Partial<RoleFacts>, RegExp]>([
    ["a token without a server", { tokenFile: "/t" }, /auth_token_file is set without store.url/],
    ["solo with a server", { configured: "solo", storeUrl: URL }, /node.role is solo, but store.url/],
    ["a token in the address", { storeUrl: "http://u:p@db.example" }, /user, password or query/],
    ["a token in the query", { storeUrl: "http://db.example/?authToken=1" }, /user, password or query/],
    ["solo after an invitation", { configured: "solo", noted: "hub" }, /other nodes were invited/],
    ["hub that has joined", { configured: "hub", isMember: true }, /has joined a fleet/],
    ["a token in the address, and joined", { storeUrl: "http://a:b@db.example", isMember: true }, /user, password/],
    ["hub where there is no server", { configured: "hub", hasServer: false }, /none for this system/],
  ])("is refused: %s", (_name, facts, message) => {
    const role = roleOf({ ...PLAIN, ...facts });

    expect(role.ok ? "" : role.error.message).toMatch(message);
    expect(role.ok ? "" : role.error.remedy).not.toBe("");
  });
});
