import { afterEach, describe, expect, test } from "vitest";
import { rankFindings } from "#repos";
import { GitFolder, placesOf } from "../../../support/git-folder.ts";

const DOCUMENTS = { "README.md": "x\n", LICENSE: "x\n", "CONTRIBUTING.md": "x\n" };
const NOTE = ["TO", "DO"].join("");
const DEFECT = ["FIX", "ME"].join("");
const body = (name: string, lines = 30): string =>
  `export function ${name}(list: readonly number[]): number {\n  let sum = 0;\n${Array.from(
    { length: lines },
    (_, index) => `  sum += list[${index}] ?? ${name}Start(step${index});\n`,
  ).join("")}  return sum;\n}\nfunction ${name}Start(at: number): number {\n  return at;\n}\n`;

let folder: GitFolder | undefined;
afterEach(() => folder?.remove());
const made = (files: Readonly<Record<string, string>>): GitFolder => {
  folder = new GitFolder({ ...DOCUMENTS, ...files });
  return folder;
};

describe("a scan of a repository", () => {
  test("finds files that nothing leads to, and not those that a test, a string or a configuration means", async () => {
    const repository = made({
      "package.json": '{"private": true, "scripts": {"x": "node jobs/started.js"}}',
      "src/index.ts":
        'import { used } from "./used.js";\nimport "./side.ts";\nnew Worker(new URL("./thread.ts", import.meta.url));\nused();\n',
      "src/used.ts": "export const used = (): number => 1;\nexport const spare = (): number => 2;\n",
      "src/side.ts": 'export * from "./starred.ts";\n',
      "src/starred.ts": "export const any = 1;\n",
      "src/thread.ts": "postMessage(1);\n",
      "src/forgotten.ts": 'import { used } from "./used.ts";\nused();\n',
      "jobs/started.js": "console.log(1);\n",
    });

    const { findings } = await repository.scan();

    expect(placesOf(findings.filter(({ kind }) => kind === "dead-code"))).toEqual([
      "dead-code unreferenced-file src/forgotten.ts",
      "dead-code unused-name src/starred.ts:1",
      "dead-code unused-name src/used.ts:2",
    ]);
  });

  test("follows Python's imports, relative ones and those of a package under src too", async () => {
    const repository = made({
      "src/shop/__init__.py": "",
      "src/shop/main.py": "from shop.cart import total\nfrom . import prices\nprint(total(), prices)\n",
      "src/shop/cart.py":
        "from .items import (\n    first,\n    second as other,\n)\n\ndef total():\n    return first() + other()\n\n@app.get\ndef route():\n    return 1\n\ndef orphan():\n    return 1\n",
      "src/shop/items.py": "def first():\n    return 1\n\ndef second():\n    return 2\n",
      "src/shop/prices.py": "PRICE = 1\n",
      "src/shop/lost.py": "def nothing():\n    return 1\n",
    });

    const { findings } = await repository.scan();

    expect(placesOf(findings.filter(({ kind }) => kind === "dead-code"))).toEqual([
      "dead-code unreferenced-file src/shop/lost.py",
      "dead-code unused-name src/shop/cart.py:13",
    ]);
  });

  test("finds code that stands twice, once, where only texts and numbers differ", async () => {
    const repository = made({
      "src/a.go": `package a\n${body("sumUp")}`,
      "src/b.go": `package b\nvar other = 1\n${body("sumUp").replaceAll("0;", "7;")}`,
      "src/c.go": `package c\n${body("different", 3)}`,
    });

    const { findings } = await repository.scan();

    const [only, ...others] = findings.filter(({ kind }) => kind === "duplicate-code");
    expect(only?.path).toBe("src/b.go");
    expect(only?.title).toMatch(/^3\d lines stand in src\/a\.go too$/);
    expect(others).toEqual([]);
  });

  test("finds notes in comments alone, not in strings and not in prose about them", async () => {
    const repository = made({
      "src/main.py": `# ${NOTE}: later\nx = "# ${NOTE}: text"\n# the word ${NOTE} in prose\n`,
      "src/main.ts": `/*\n * ${DEFECT} wrong for zero\n */\nconst pattern = /\\/\\/ ${NOTE}/;\nconst text = \`// ${NOTE} \${1}\`;\n`,
    });

    const { findings } = await repository.scan();

    expect(placesOf(findings.filter(({ kind }) => kind === "note"))).toEqual([
      "note wish src/main.py:1",
      "note defect src/main.ts:2",
    ]);
  });

  test("says which code no test reaches, directly or through others; one finding when there is no test at all", async () => {
    const files = {
      "src/index.ts": 'export { area } from "./area.ts";\nexport { lost } from "./lost.ts";\n',
      "src/area.ts": `import { deep } from "./deep.ts";\n${body("area")}deep([]);\n`,
      "src/deep.ts": body("deep"),
      "src/lost.ts": body("lost"),
    };
    const repository = made(files);

    const without = await repository.scan();
    repository.commit({ "test/area.test.ts": 'import { area } from "../src/area.ts";\narea([]);\n' });
    const { findings } = await repository.scan();

    expect(placesOf(without.findings.filter(({ kind }) => kind === "missing-test"))).toEqual([
      "missing-test no-tests ",
    ]);
    expect(placesOf(findings.filter(({ kind }) => kind === "missing-test"))).toEqual([
      "missing-test unreached-by-tests src/lost.ts",
    ]);
  });

  test("names a finding the same when its line moves, and reads unchanged files no second time", async () => {
    const repository = made({ "src/main.ts": `// ${NOTE}: a\n// ${NOTE}: a\n`, "src/app.ts": `// ${NOTE}: b\n` });

    const first = await repository.scan();
    repository.commit({ "src/main.ts": `\n\nconst x = 1;\n// ${NOTE}: a\n// ${NOTE}: a\n` });
    const second = await repository.scan();

    const names = ({ findings }: typeof first): readonly string[] =>
      findings.filter(({ kind }) => kind === "note").map(({ fingerprint }) => fingerprint);
    expect(new Set(names(first)).size).toBe(3);
    expect(names(second)).toEqual(names(first));
    expect(second.read).toBe(1);
    expect(await repository.scan()).toEqual({ ...second, read: 0, bytes: 0 });
  });

  test("says what its limits left out, and then claims no dead code", async () => {
    const repository = made({ "src/a.ts": "export const a = 1;\n", "src/b.ts": "export const b = 1;\n" });
    const limits = { files: 4, fileBytes: 1_000, totalBytes: 1_000, deadlineMs: 1_000 };

    const { findings, leftOut } = await repository.scan({ limits });

    expect(leftOut[0]).toBe("1 files beyond the first 4");
    expect(findings).toEqual([]);
  });

  test("never shows a secret, lets through what a person allowed, and ranks it first", async () => {
    const secret = ["gh", "p_", "a1B2c3D4e5F6g7H8i9J0".repeat(2).slice(0, 36)].join("");
    const repository = made({ "src/main.ts": `const token = "${secret}"; // ${NOTE}: move\n` });

    const { findings } = await repository.scan();

    expect(rankFindings(findings)[0]?.finding).toMatchObject({ kind: "secret", severity: "critical", line: 1 });
    expect(JSON.stringify(findings)).not.toContain(secret.slice(8));
    const { findings: left } = await repository.scan({ allowed: [{ path: "src", reason: "a made up token" }] });
    expect(placesOf(left)).toEqual(["note wish src/main.ts:1"]);
  });
});
