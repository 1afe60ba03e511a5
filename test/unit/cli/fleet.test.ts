import { describe, expect, test } from "vitest";
import { createIdFactory, ok, SimulatedClock, seededRandom } from "#base";
import { cryptography, MemoryNodeSecrets } from "#fleet";
import { memoryFleet } from "../../support/fleet.ts";
import { readyRow } from "../../support/task-row.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { type Cli, containing, createCli, type Outcome, parsed } from "./cli-harness.ts";

const clock = new SimulatedClock();
const base = { node: createIdFactory(clock, seededRandom(2)).node(), name: "box", clock, random: seededRandom(3) };

/** Time passes until the command is over. */
async function ended(cli: Cli, done: Promise<Outcome>): Promise<Outcome> {
  let outcome: Outcome | undefined;
  void done.then((end) => {
    outcome = end;
  });
  return waitUntil("the command ends", () => {
    cli.harness.clock.advance(500);
    return outcome;
  });
}

describe("drover token", () => {
  test("create prints the line to carry over, once, and what may be in a node's way", async () => {
    const address = () => ({ url: "http://127.0.0.1:7433", warning: "this node listens on 127.0.0.1 alone" });
    const cli = createCli({ ports: { fleet: memoryFleet(base, { address }) } });

    const made = await cli.run("token", "create", "--uses", "2", "--ttl", "12h", "--role", "reader");
    const listed = await cli.run("token", "list");
    const json = parsed((await cli.run("token", "list", "--json")).stdout);

    expect(made.exit).toBe(0);
    expect(made.stdout).toMatch(/^drv_[0-9a-z]{10}_[0-9a-z]{32}_[0-9a-f]{32}@http:\/\/127\.0\.0\.1:7433\n$/);
    expect(made.stderr).toContain("For 2 nodes, within 12 h.");
    expect(made.stderr).toContain("listens on 127.0.0.1 alone");
    expect(listed.stdout).toContain("reader");
    expect(listed.stdout).not.toContain(made.stdout.split("_")[2] ?? "?");
    expect(json["tokens"]).toMatchObject([{ role: "reader", usesLeft: 2 }]);
  });

  test("revoke takes tokens away, and says which one it does not know", async () => {
    const cli = createCli();
    const made = parsed((await cli.run("token", "create", "--json")).stdout);

    const revoked = await cli.run("token", "revoke", String(made["id"]), "nothing");

    expect(revoked).toMatchObject({
      exit: 1,
      stdout: `Revoked ${String(made["id"])}\n`,
      stderr: containing("no token nothing"),
    });
    expect((await cli.run("token", "list")).stderr).toContain("There is no token");
  });

  test("create refuses a time that it cannot read", async () => {
    expect(await createCli().run("token", "create", "--ttl", "soon")).toMatchObject({
      exit: 2,
      stderr: containing("30m"),
    });
  });
});

describe("drover join and leave", () => {
  test("say what is missing in a token, and that there is no fleet to leave", async () => {
    const cli = createCli();

    const joined = await cli.run("join", "drv_half@http://hub:7433");
    const left = await cli.run("leave");

    expect(joined).toMatchObject({ exit: 1, stderr: containing("no token, or not all of it") });
    expect(left).toMatchObject({ exit: 1, stderr: containing("in no fleet") });
  });

  test("leave notes when the hub was not told", async () => {
    const secrets = new MemoryNodeSecrets(cryptography);
    const hub = { id: base.node, name: "hub", url: "http://127.0.0.1:1", publicKey: cryptography.makeKey().publicKey };
    secrets.setMembership({
      fleet: "f",
      role: "member",
      name: "box",
      url: null,
      leaseClass: "strict",
      hub,
      epoch: 1,
      joinedAtMs: 1,
      setAside: false,
    });
    const cli = createCli({ ports: { fleet: memoryFleet(base, { secrets }) } });

    const refused = await cli.run("leave");
    const left = await cli.run("leave", "--force");

    expect(refused).toMatchObject({ exit: 1, stderr: containing("drover leave --force") });
    expect(left).toMatchObject({ exit: 0, stdout: "Left the fleet.\n", stderr: containing("The hub was not told") });
    expect(secrets.membership()).toEqual(ok(undefined));
  });
});

describe("drover node", () => {
  test("cordon, uncordon and remove name what they changed, and the list shows it", async () => {
    const cli = createCli();
    await cli.run("token", "create");
    const self = { id: cli.harness.node };

    const cordoned = await cli.run("node", "cordon", "box");
    const listed = await cli.run("node", "list");
    const uncordoned = await cli.run("node", "uncordon", self.id);
    const removed = await cli.run("node", "remove", "box", "gone");

    expect(cordoned).toMatchObject({ exit: 0, stdout: `Cordoned box (${self.id})\n` });
    expect(listed.stdout).toContain("hub, cordoned");
    expect(uncordoned.exit).toBe(0);
    expect(removed).toMatchObject({ exit: 1, stderr: containing("no node gone") });
    expect(removed.stderr).toContain("the hub itself cannot be removed");
  });

  test("drain cordons, waits for what runs there, and looks once more when nothing does", async () => {
    const rows = [readyRow(createIdFactory(clock, seededRandom(4)).task(), { state: "running" })];
    let looks = 0;
    const running = async () => {
      looks += 1;
      return ok([...rows]);
    };
    const fleet = memoryFleet(base, { running });
    const cli = createCli({ ports: { fleet } });
    await cli.run("token", "create");

    const late = cli.start("node", "drain", "box", "--timeout", "1s");
    const gaveUp = await ended(cli, late.done);
    const drain = cli.start("node", "drain", "box");
    await waitUntil("it waits", () => drain.seen.stderr().includes("waiting for 1 attempt to end"));
    rows.pop();
    looks = 0;
    const drained = await ended(cli, drain.done);

    expect(gaveUp).toMatchObject({ exit: 5, stderr: containing("1 attempt still runs after 1.0 s") });
    expect(drained).toMatchObject({ exit: 0, stdout: `Drained box (${base.node}): nothing runs there\n` });
    expect(looks).toBe(2);
    expect(fleet.nodes()[0]?.state).toBe("cordoned");
  });

  test("rotate-key needs a fleet, and changes the key of a hub", async () => {
    const cli = createCli();

    const refused = await cli.run("node", "rotate-key");
    await cli.run("token", "create");
    const before = cli.harness.ports.fleet.nodes()[0]?.publicKey;
    const changed = await cli.run("node", "rotate-key");

    expect(refused).toMatchObject({ exit: 1, stderr: containing("in no fleet") });
    expect(changed.exit).toBe(0);
    expect(cli.harness.ports.fleet.nodes()[0]?.publicKey).not.toBe(before);
  });
});
