import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DOCUMENT_KINDS, type Document, readDocument, writeDocument } from "#goals";

const parseToml = (text: string): unknown => Bun.TOML.parse(text);

/** Any text, with characters that no form of document can hold plainly. */
const anyText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^[ \t\r\n&<>"'\\#\]-]{0,12}$/),
  fc.constantFrom("\u0000", "\uD800", "\uFFFF", "]]>", "\r\n", "a\u0085b", "&amp;", "<!--", " ", "null", "1.0", "---"),
);
/** What JSON over HTTP brings: no half characters. */
const wellFormed = anyText.map((text) => text.toWellFormed());
const name = fc.oneof(fc.constantFrom("title", "item", "entry", "a.b/c", "x-1", "", "__proto__", "kind2"), wellFormed);

function jsonOf(text: fc.Arbitrary<string>, keys: fc.Arbitrary<string>) {
  return fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      text,
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (Object.is(value, -0) ? 0 : value)),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(keys, tie("value"), { maxKeys: 4 }),
    ),
  })).value;
}

function documents(text: fc.Arbitrary<string>, keys: fc.Arbitrary<string>): fc.Arbitrary<Document> {
  return fc.record({
    kind: fc.constantFrom(...DOCUMENT_KINDS),
    // `as`: JSON, by what it is made of.
    body: fc.dictionary(keys, jsonOf(text, keys), { maxKeys: 5 }) as fc.Arbitrary<Document["body"]>,
  });
}

const line = wellFormed.map((text) => `t${text.replaceAll(/[\p{Cc}\n]/gu, " ")}`);
/** Goals as they are handed in. */
const goals: fc.Arbitrary<Document> = fc.record({
  kind: fc.constant("goal" as const),
  body: fc.record(
    {
      title: line,
      description: wellFormed.filter((text) => text !== ""),
      priority: fc.constantFrom("critical", "normal", "background"),
      successCriteria: fc.array(line, { minLength: 1, maxLength: 3 }),
      verify: fc.array(fc.record({ kind: fc.constant("file_exists"), path: line }), { minLength: 1, maxLength: 3 }),
      budget: fc.record({ tokens: fc.integer({ min: 1 }) }),
      labels: fc.dictionary(fc.constantFrom("team", "a.b/c"), line, { minKeys: 1 }),
    },
    { requiredKeys: ["title"] },
  ),
});

async function through(document: Document, format: "md" | "toml" | "xml"): Promise<unknown> {
  const written = await writeDocument(document, format);
  if (!written.ok) return written.error;
  const read = await readDocument(written.value, format, parseToml);
  return read.ok ? read.value : `${read.error} in\n${written.value}`;
}

describe("a document", () => {
  test("of any kind, with any text in it, comes back from XML as it was", async () => {
    await fc.assert(
      fc.asyncProperty(
        documents(
          anyText,
          name.filter((one) => one !== "__proto__"),
        ),
        async (document) => {
          expect(await through(document, "xml")).toEqual(document);
        },
      ),
      { numRuns: 400 },
    );
  });

  test.each(["md", "toml", "xml"] as const)("of a goal comes back from %s as it was", async (format) => {
    await fc.assert(
      fc.asyncProperty(goals, async (document) => {
        expect(await through(document, format)).toEqual(document);
      }),
      { numRuns: 200 },
    );
  });

  test("of a goal whose description is a blank and a line break comes back from Markdown as it was", async () => {
    const document: Document = { kind: "goal", body: { title: "t", description: " \n" } };

    expect(await through(document, "md")).toEqual(document);
  });

  test("that says null is not written as TOML", async () => {
    const written = await writeDocument({ kind: "state", body: { goal: { paused: null } } }, "toml");

    expect(written).toEqual({ ok: false, error: "TOML has no way to say that goal.paused is null; use xml" });
  });
});

describe("XML", () => {
  const read = (text: string) => readDocument(text, "xml", parseToml);
  const goal = (inner: string) => `<goal version="1">${inner}</goal>`;

  test.each([
    ["a DOCTYPE", `<!DOCTYPE goal [<!ENTITY a "b">]>${goal("")}`, /line 1: a DOCTYPE is not allowed/],
    ["a DOCTYPE further down", goal("\n<!DOCTYPE x>"), /line 2: a DOCTYPE is not allowed/],
    ["an entity of its own", goal("<title>&lol;</title>"), /the entity &lol; is not allowed/],
    ["an entity by a name of objects", goal("<title>&constructor;</title>"), /the entity &constructor; is not allowed/],
    ["a bare &", goal("<title>a & b</title>"), /bare & is not allowed/],
    ["a processing instruction", goal("<?php ?>"), /processing instructions/],
    ["another encoding", `<?xml version="1.0" encoding="UTF-16"?>${goal("")}`, /processing instructions/],
    ["a character that is none", goal("<title>&#0;</title>"), /no character that XML allows/],
    ["a character beyond all", goal("<title>&#x110000;</title>"), /no character that XML allows/],
    ["a raw control character", goal("<title>\u0001</title>"), /characters that XML does not allow/],
    ["elements that cross", "<goal><a><b></a></b></goal>", /<b> is ended by <\/a>/],
    ["no end", "<goal><a>", /<a> has no end/],
    ["two roots", `${goal("")}<goal/>`, /behind the end/],
    ["another kind", "<recipe/>", /<recipe> is no kind of document/],
    ["another version", '<goal version="2"/>', /version 2 of its form is not known/],
    ["a field twice", goal("<title>a</title><title>b</title>"), /holds title twice/],
    ["an attribute twice", goal('<title type="list" type="list"/>'), /attribute type stands there twice/],
    ["an attribute that is none", goal('<title lang="en">a</title>'), /<title> has no attribute lang/],
    ["a type that is none", goal('<title type="date">a</title>'), /type="date" is not known/],
    ["a number that is none", goal('<a type="number">0x10</a>'), /is no number/],
    ["a number without end", goal('<a type="number">1e999</a>'), /is no number/],
    ["text beside elements", goal('<a type="object">x<b>1</b></a>'), /holds a text beside its elements/],
    ["elements in a text", goal("<a><b>1</b></a>"), /is type="object" or type="list" missing/],
    ["something else in a list", goal('<a type="list"><b/></a>'), /a list holds <item>, not <b>/],
    ["a comment without end", goal("<!-- "), /a comment has no end/],
    ["a namespace", '<x:goal xmlns:x="a"/>', /space is missing/],
  ])("with %s is refused", async (_what, text, reason) => {
    const result = await read(text);

    expect(result.ok ? result.value : result.error).toMatch(reason);
  });

  test("that is too deep, too long or too large is refused before anything is made of it", async () => {
    const deep = goal(`${'<a type="object">'.repeat(40)}${"</a>".repeat(40)}`);
    const wide = goal(`<a type="list">${"<item/>".repeat(20_001)}</a>`);
    const long = goal("x".repeat(1024 * 1024));

    const results = await Promise.all([deep, wide, long].map((text) => read(text)));
    const errors = results.map((result) => (result.ok ? "" : result.error));

    expect(errors[0]).toMatch(/nested deeper than 32 levels/);
    expect(errors[1]).toMatch(/more than 20000 elements/);
    expect(errors[2]).toMatch(/longer than 1048576 characters/);
  });

  test("as people write it, with comments, CDATA and an entry of their own, is read", async () => {
    const text = `<?xml version="1.0"?>
      <!-- handed in by hand -->
      <goal>
        <title>Greet &amp; leave</title>
        <description><![CDATA[<b> & co]]></description>
        <verify type="list"><item type="object"><kind>file_exists</kind><path>a</path></item></verify>
        <labels type="object"><entry name='"a.b/c"'>x</entry></labels>
      </goal>`;

    expect(await read(text)).toEqual({
      ok: true,
      value: {
        kind: "goal",
        body: {
          title: "Greet & leave",
          description: "<b> & co",
          verify: [{ kind: "file_exists", path: "a" }],
          labels: { "a.b/c": "x" },
        },
      },
    });
  });
});

describe("Markdown", () => {
  const read = (text: string) => readDocument(text, "md", parseToml);

  test("without a front matter is a goal: heading, criteria below theirs, the rest is the description", async () => {
    const text =
      "# Greet in French\n\nSay it nicely.\n\n## Success criteria\n\n- [ ] bonjour.txt exists\n- it greets\n\nThanks.\n";

    expect(await read(text)).toEqual({
      ok: true,
      value: {
        kind: "goal",
        body: {
          title: "Greet in French",
          successCriteria: ["bonjour.txt exists", "it greets"],
          description: "Say it nicely.\n\nThanks.",
        },
      },
    });
  });

  test.each([
    ["no end", "---\ntitle: a\n", /has no end/],
    ["no fields", "---\n- a\n---\n", /no list of fields/],
    ["a key twice", "---\ntitle: a\ntitle: b\n---\n", /not valid YAML/],
    ["aliases that unfold", "---\na: &a [x]\nb: *a\n---\n", /not valid YAML/],
    ["another kind", "---\nkind: recipe\n---\n", /no kind of document/],
    ["two descriptions", "---\ndescription: a\n---\nb\n", /keep one of them/],
  ])("whose front matter has %s is refused", async (_what, text, reason) => {
    const result = await read(text);

    expect(result.ok ? result.value : result.error).toMatch(reason);
  });
});
