import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { must, openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

test("a copy of a state folder has no key, no fleet and no tokens of its original; a moved one keeps them", async () => {
  const dir = folder();
  const original = await openedStores(join(dir, "a"));
  const key = must(original.secrets.key());
  must(original.secrets.noteRole("hub"));
  must(
    original.joinTokens.put({
      id: "one",
      secretHash: "ab",
      role: "member",
      usesLeft: 1,
      expiresAtMs: 10,
      createdAtMs: 1,
    }),
  );
  await original.close();
  cpSync(join(dir, "a"), join(dir, "b"), { recursive: true });

  const copy = await openedStores(join(dir, "b"));
  const again = await openedStores(join(dir, "a"));

  expect(copy.nodeId).not.toBe(original.nodeId);
  expect(must(copy.secrets.key()).publicKey).not.toBe(key.publicKey);
  expect(must(copy.secrets.isHub())).toBe(false);
  expect(must(copy.joinTokens.all())).toEqual([]);
  expect(must(again.secrets.key())).toEqual(key);
  expect(must(again.secrets.isHub())).toBe(true);
  expect(must(again.joinTokens.all())).toHaveLength(1);
  await copy.close();
  await again.close();
});
