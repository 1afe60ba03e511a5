import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Failure, type Logger, ok, SimulatedClock, seededRandom, silentLogger } from "#base";
import { openStores } from "#store";
import { openConnection } from "../../../src/store/connection.ts";
import { failureIn, must, openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const options = { clock: new SimulatedClock(), logger: silentLogger, random: seededRandom(9) };

async function failureOf(dir: string): Promise<Failure> {
  const opened = await openStores(dir, options);
  if (opened.ok) {
    await opened.value.close();
    throw new Error("it opened");
  }
  return opened.error;
}

/** A directory with a database of several pages, closed. */
async function usedDirectory(): Promise<string> {
  const dir = folder();
  const stores = await openedStores(dir);
  for (let n = 0; n < 50; n += 1) {
    must(
      await stores.queue.transact("fill", (tx) => {
        const data = { text: "x".repeat(2_000) };
        tx.appendEvent({ atMs: 1, kind: "task.progress", taskId: null, data });
        return ok(undefined);
      }),
    );
  }
  must(await stores.backups.take());
  await stores.close();
  return dir;
}

/** Names and contents of the files that matter. */
const databases = (dir: string): readonly string[] => readdirSync(dir).filter((name) => name.includes(".db"));

describe("a state directory in use", () => {
  it("is refused to a second drover, with the process that has it and what to do", async () => {
    const dir = folder();
    const stores = await openedStores(dir);

    const failure = await failureOf(dir);
    await stores.close();

    expect(failure.code).toBe("in_use");
    expect(failure.message).toContain(`process ${process.pid}`);
    expect(failure.remedy).toContain("drover down");
  });

  it("is free again once it was closed", async () => {
    const dir = folder();
    await (await openedStores(dir)).close();

    const again = await openedStores(dir);

    await again.close();
    expect(again.identity.change).toBe("same");
  });

  it("is refused while another process has it, and free the moment that process is killed", async () => {
    const dir = folder();
    const script = join(import.meta.dirname, "../../support/store-holder-main.ts");
    const holder = spawn(process.execPath, [script, dir], { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout, "data");

    const failure = await failureOf(dir);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    const stores = await openedStores(dir);
    await stores.close();

    expect(failure.code).toBe("in_use");
    expect(failure.message).toContain(`process ${holder.pid}`);
  });
});

describe("a database that is newer than this build", () => {
  it("is refused with both numbers and what to do, and stays as it was", async () => {
    const dir = await usedDirectory();
    const connection = openConnection(join(dir, "fleet.db"));
    connection.exec("INSERT INTO schema_migration VALUES (999, 'later', 'sum', 1)");
    connection.close();

    const failure = await failureOf(dir);

    expect(failure.code).toBe("newer_schema");
    expect(failure.message).toMatch(/schema 999.*up to 9/);
    expect(failure.remedy).toContain("newer drover");
  });

  it("is refused when it has the same number but another history", async () => {
    const dir = await usedDirectory();
    const connection = openConnection(join(dir, "fleet.db"));
    connection.exec("UPDATE schema_migration SET checksum = 'another'");
    connection.close();

    expect((await failureOf(dir)).code).toBe("unsupported");
  });
});

describe("a damaged database", () => {
  it("with noise in the middle is refused, naming the newest good backup and the command, and is not deleted", async () => {
    const dir = await usedDirectory();
    const path = join(dir, "fleet.db");
    const bytes = readFileSync(path);
    for (let at = 4096; at < bytes.length - 4096; at += 1) bytes[at] = (at * 7919) % 251;
    writeFileSync(path, bytes);

    const failure = await failureOf(dir);

    const [backup] = readdirSync(join(dir, "backups"));
    expect(failure.code).toBe("corrupt");
    expect(failure.remedy).toContain(`drover restore ${join(dir, "backups", backup ?? "")}`);
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  it("that was cut off is refused as damaged", async () => {
    const dir = await usedDirectory();
    truncateSync(join(dir, "fleet.db"), Math.floor(statSync(join(dir, "fleet.db")).size / 2));

    expect((await failureOf(dir)).code).toBe("corrupt");
  });

  it("that is no database at all is refused as damaged", async () => {
    const dir = await usedDirectory();
    writeFileSync(join(dir, "fleet.db"), "not a database, but long enough to be read as one. ".repeat(200));

    expect((await failureOf(dir)).code).toBe("corrupt");
  });

  it("of the node alone is named, and the fleet's backup is not offered for it", async () => {
    const dir = await usedDirectory();
    writeFileSync(join(dir, "node.db"), "not a database, but long enough to be read as one. ".repeat(200));

    const failure = await failureOf(dir);

    expect(failure.code).toBe("corrupt");
    expect(failure.message).toContain("node.db");
    expect(failure.remedy).not.toContain("drover restore");
  });

  it("that is large opens, and the damage is logged with the remedy once the check has found it", async () => {
    const dir = await usedDirectory();
    const path = join(dir, "fleet.db");
    const bytes = readFileSync(path);
    const page = Math.floor((bytes.length * 0.8) / 4_096) * 4_096;
    bytes.fill(0xa5, page, page + 4_096);
    writeFileSync(path, bytes);
    const errors: string[] = [];
    const logger: Logger = {
      ...silentLogger,
      error: (message, fields) => errors.push(`${message} | ${JSON.stringify(fields)}`),
    };

    const stores = await openedStores(dir, { logger, maxInlineCheckBytes: 0 });
    const checked = await stores.checked;
    await stores.close();

    expect(failureIn(checked).code).toBe("corrupt");
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(/fleet\.db is damaged.* \| .*"path".*drover restore/);
  });

  it("without any backup says so", async () => {
    const dir = await usedDirectory();
    rmSync(join(dir, "backups"), { recursive: true });
    writeFileSync(join(dir, "fleet.db"), "not a database, but long enough to be read as one. ".repeat(200));

    expect((await failureOf(dir)).remedy).toContain("no backup");
  });
});

describe("a place where no state can be", () => {
  it("is refused when a file lies there", async () => {
    const dir = folder();
    writeFileSync(join(dir, "state"), "a file");

    const failure = await failureOf(join(dir, "state"));

    expect(failure.message).toContain(join(dir, "state"));
    expect(failure.remedy).toBeDefined();
  });

  it("leaves no database behind when the second of the two cannot be opened", async () => {
    const dir = folder();
    mkdirSync(join(dir, "node.db"));

    const failure = await failureOf(dir);

    expect(failure.message).toContain("node.db");
    expect(databases(dir)).toContain("node.db");
    // The lock was given back: the directory can be opened once the obstacle is gone.
    rmSync(join(dir, "node.db"), { recursive: true });
    await (await openedStores(dir)).close();
  });
});
