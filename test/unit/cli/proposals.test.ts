import { describe, expect, it } from "vitest";
import { err, refused } from "#base";
import { noProposals } from "../../support/no-improvements.ts";
import { createCli } from "./cli-harness.ts";

/** A command line of this user, and who the node was told decided. */
function deciding(user: string | undefined) {
  const deciders: string[] = [];
  const note = async (_id: string, by: string) => {
    deciders.push(by);
    return err(refused("not_found", "nothing is known here"));
  };
  const proposals = { ...noProposals, approve: note, reject: note };
  const cli = createCli({ ports: { proposals }, env: user === undefined ? {} : { USER: user } });
  return { cli, deciders };
}

describe("a decision about a proposal on the command line", () => {
  it("is that of the name that is given, of the user where none is, and of the API where there is neither", async () => {
    const ada = deciding("ada");
    await ada.cli.run("proposal", "approve", "p_1", "--by", "grace");
    await ada.cli.run("proposal", "reject", "p_1", "--reason", "no");
    const nobody = deciding(undefined);
    await nobody.cli.run("proposal", "approve", "p_1");

    expect(ada.deciders).toEqual(["grace", "ada"]);
    expect(nobody.deciders).toEqual(["api"]);
  });
});
