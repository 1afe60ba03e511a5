import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { auditVerify } from "../../../src/runtime/commands/audit-verify.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { containing } from "../api/api-harness.ts";
import { createCli, parsed, parsedLines } from "./cli-harness.ts";

const folder = temporaryFolders();

function withAlert() {
  const cli = createCli({ env: { USER: "ada" }, local: { auditVerify: (options) => auditVerify(options) } });
  const { alerts, audit } = cli.harness.telemetry;
  alerts.raise({
    key: "fsm:4",
    severity: "critical",
    title: "Healing failed",
    message: "Look at the disk",
    source: "mind",
  });
  return { ...cli, alerts, audit };
}

describe("drover alert", () => {
  it("lists, shows, acknowledges and ends what was raised by key", async () => {
    const { run, alerts } = withAlert();

    expect((await run("alert", "list")).stdout).toMatch(/1 +critical +firing .*Healing failed +Look at the disk/);
    expect((await run("alert", "ack", "1", "--note", "at it")).stdout).toBe("Acknowledged 1: Healing failed\n");
    expect((await run("alert", "show", "1")).stdout).toMatch(/acknowledged +by ada[\s\S]*note +at it/);
    expect((await run("status")).stdout).toContain("Alerts: 1 (1 critical, 1 acknowledged)");
    alerts.resolve("fsm:4");
    expect((await run("alert", "list")).stdout).toBe("");
    expect((await run("alert", "list", "--all")).stdout).toContain("resolved");
    const late = await run("alert", "ack", "1");
    expect([late.exit, late.stderr]).toEqual([1, containing("is over already")]);
    expect((await run("alert", "resolve", "7")).stderr).toContain("there is no alert 7");
  });

  it("lists them for programs as the API gives them", async () => {
    const { run } = withAlert();

    const { items } = parsed((await run("alert", "list", "--json")).stdout) as { items: readonly unknown[] };

    expect(items).toMatchObject([{ id: 1, key: "fsm:4", severity: "critical", state: "firing", source: "mind" }]);
  });
});

describe("drover audit", () => {
  const decided = () => {
    const cli = withAlert();
    const { audit, harness } = cli;
    for (let n = 1; n <= 3; n += 1) {
      const decision = { actor: "mind", action: "mind.changed", subject: "healing", reason: `reason ${n}` };
      audit.append(decision, harness.clock.nowMs());
    }
    return cli;
  };

  it("lists what was decided, by whom and why", async () => {
    const { run } = decided();

    expect((await run("audit", "list", "--limit", "2")).stdout).toMatch(
      /3 .*mind +mind.changed +healing +reason 3\n +2 /,
    );
    expect((await run("audit", "list", "--actor", "nobody")).stderr).toContain("Nothing of the kind");
  });

  it("exports what can be verified anywhere, and names the first row that was changed", async () => {
    const { run } = decided();
    const file = join(folder(), "audit.ndjson");
    const exported = (await run("audit", "export")).stdout;
    writeFileSync(file, exported);

    const sound = await run("audit", "verify", "--file", file);
    writeFileSync(file, exported.replace("reason 2", "reason 4"));
    const changed = await run("audit", "verify", "--file", file);
    const asDocument = await run("audit", "verify", "--file", file, "--json");

    expect(parsedLines(exported).map(({ seq }) => seq)).toEqual([1, 2, 3]);
    const head = parsedLines(exported)[2];
    expect(sound).toMatchObject({ exit: 0, stdout: containing(`3:${String(head?.["hash"])}`) });
    expect(changed).toMatchObject({ exit: 1, stdout: "Row 2: row 2 is not as it was written\n" });
    expect(parsed(asDocument.stdout)).toMatchObject({ fault: { seq: 2, kind: "changed" } });
  });

  it("asks a node that is named to verify its own log", async () => {
    const { run } = decided();
    const strange = `3:${createHash("sha256").update("another").digest("hex")}`;

    const own = await run("audit", "verify", "--url", "http://127.0.0.1:7433");
    const against = await run("audit", "verify", "--url", "http://127.0.0.1:7433", "--expect", strange);

    expect(own).toMatchObject({ exit: 0, stdout: containing("3 rows, 1 to 3: as they were written.") });
    expect(against).toMatchObject({ exit: 1, stdout: containing("written anew") });
  });
});
