/** A repository in which every finding that should be made is known, because it was put there. */
import { seededRandom } from "#base";

export type Label = { readonly kind: string; readonly path: string };
export type LabelledRepository = { readonly files: ReadonlyMap<string, string>; readonly labels: readonly Label[] };

const NOTE_WORDS = [
  ["TO", "DO"],
  ["FIX", "ME"],
].map((halves) => halves.join(""));
const VERBS = [
  "load",
  "save",
  "merge",
  "split",
  "count",
  "price",
  "ship",
  "sort",
  "filter",
  "render",
  "parse",
  "route",
];
const NOUNS = [
  "order",
  "cart",
  "item",
  "user",
  "stock",
  "label",
  "invoice",
  "coupon",
  "basket",
  "return",
  "refund",
  "batch",
];

type Draw = { readonly whole: (below: number) => number; readonly of: (list: readonly string[]) => string };

/** A function whose tokens no other has: its names and steps are drawn. */
function work(name: string, draw: Draw, lines: number): string {
  const steps = Array.from({ length: lines }, (_, index) => {
    const [left, right] = [`${draw.of(NOUNS)}${index}`, `${draw.of(VERBS)}${draw.whole(1_000)}`];
    const forms = [
      `  const ${left} = input.${right} ?? total * ${index};`,
      `  if (input.${right} > total) total -= input.${left};`,
      `  for (const ${left} of input.${right}) total += ${left}.${draw.of(VERBS)};`,
      `  total = Math.max(total, input.${left}.${right} + ${index});`,
    ];
    return forms[draw.whole(forms.length)] ?? "";
  });
  return `export function ${name}(input: any): number {\n  let total = 0;\n${steps.join("\n")}\n  return total;\n}\n`;
}

export function labelledRepository(seed: number, size = 40): LabelledRepository {
  const random = seededRandom(seed);
  const whole = (below: number): number => Math.floor(random.next() * below);
  const draw: Draw = { whole, of: (list) => list[whole(list.length)] ?? "" };
  const files = new Map<string, string>([
    ["README.md", "# Shop\n"],
    ["LICENSE", "free\n"],
    [
      "package.json",
      JSON.stringify({ private: true, scripts: { start: "node src/index.ts", seed: "node jobs/fill.ts" } }),
    ],
    ["jobs/fill.ts", 'import { writeFileSync } from "node:fs";\nwriteFileSync("x", "y");\n'],
    [
      "src/registry.ts",
      'export const plugins = ["./late/loaded"];\nexport const load = (name: string) => import(name);\n',
    ],
    ["src/late/loaded.ts", "export default 1;\n"],
  ]);
  const labels: Label[] = [{ kind: "missing-document", path: "" }];
  const imports: string[] = ['import { plugins, load } from "./registry.ts";', 'void load(plugins[0] ?? "");'];
  const tests: string[] = [];
  for (let n = 0; n < size; n += 1) {
    const name = `${draw.of(VERBS)}${draw.of(NOUNS)}${n}`;
    const path = `src/parts/${name}.ts`;
    let text = work(name, draw, 14 + whole(20));
    const isImported = n % 8 !== 0;
    const isTested = n % 5 !== 0;
    if (!isImported) labels.push({ kind: "dead-code", path });
    else imports.push(`import { ${name} } from "./parts/${name}.ts";`, `console.log(${name}({}));`);
    if (isImported && isTested) tests.push(`import { ${name} } from "../src/parts/${name}.ts";`, `${name}({});`);
    if (n % 6 === 0) {
      text = `// ${draw.of(NOTE_WORDS)}: handle ${draw.of(NOUNS)} without ${draw.of(NOUNS)}\n${text}`;
      labels.push({ kind: "note", path });
    } else if (n % 6 === 1) text = `const shown = "// ${draw.of(NOTE_WORDS)}: not one";\nconsole.log(shown);\n${text}`;
    if (n % 10 === 3) {
      text += `export const spare${name} = 1;\n`;
      if (isImported) labels.push({ kind: "dead-code", path });
    }
    if (isImported && n % 7 === 2) {
      const copy = `src/copies/${name}copy.ts`;
      const body = work(`${name}shared`, draw, 22);
      text += body;
      imports.push(`import { ${name}shared } from "./parts/${name}.ts";`, `${name}shared(0);`);
      files.set(
        copy,
        body.replaceAll(/\b\d+\b/g, (figure) => String(Number(figure) + 1)).replace(`${name}shared`, `${name}copied`),
      );
      imports.push(`import { ${name}copied } from "./copies/${name}copy.ts";`, `${name}copied(0);`);
      tests.push(`import { ${name}copied } from "../src/copies/${name}copy.ts";`);
      // The pair is one finding, at whichever of the two comes later.
      labels.push({ kind: "duplicate-code", path: isLater(copy, path) ? copy : path });
    }
    // What nobody starts is dead; that nobody tests it either is said too, where it is long enough.
    const codeLines = text.split("\n").filter((line) => line !== "" && !line.startsWith("//")).length;
    if (!(isImported && isTested) && codeLines >= 25) labels.push({ kind: "missing-test", path });
    files.set(path, text);
  }
  files.set("src/index.ts", `${imports.join("\n")}\n`);
  files.set("test/parts.test.ts", `${tests.join("\n")}\n`);
  const long = Array.from({ length: 700 }, (_, at) => `export const row${at}x = ${at};\nconsole.log(row${at}x);`).join(
    "\n",
  );
  files.set("src/long.ts", long);
  files.set("src/index.ts", `${files.get("src/index.ts") ?? ""}import "./long.ts";\n`);
  files.set("test/parts.test.ts", `${files.get("test/parts.test.ts") ?? ""}import "../src/long.ts";\n`);
  labels.push({ kind: "large-file", path: "src/long.ts" });
  return { files, labels };
}

function isLater(left: string, right: string): boolean {
  return left > right;
}
