/** What a person sees of a reply that takes long. */
import { describe, expect, it } from "vitest";
import { modelReplies } from "../../../../src/execution/loop/model-replies.ts";
import { WritingNotes } from "../../../../src/execution/loop/writing-notes.ts";
import { TOOLS } from "../../../bench/tool-calls/tools.ts";
import { runLoop, world } from "./loop-world.ts";

describe("notes of a reply that is being written", () => {
  it("come every five seconds, with its length and its latest whole line", () => {
    const notes = new WritingNotes(1_000);

    expect(notes.take(10, "First line.\nSec", 5_999)).toBeUndefined();
    expect(notes.take(20, "ond line.\n\nTh", 6_000)).toEqual({ kind: "writing", chars: 20, text: "Second line." });
    expect(notes.take(30, "ird", 10_999)).toBeUndefined();
    expect(notes.take(40, " li", 11_000)).toEqual({ kind: "writing", chars: 40, text: "" });
    expect(notes.take(50, "ne\n", 16_000)).toEqual({ kind: "writing", chars: 50, text: "Third line" });
  });

  it("never tell a part of a line, in which a secret would not be recognised", () => {
    const notes = new WritingNotes(0);
    const long = "x".repeat(700);

    expect(notes.take(1, long, 5_000)).toMatchObject({ text: "" });
    expect(notes.take(2, long, 10_000)).toMatchObject({ text: "" });
    expect(notes.take(3, "the end of it\nnext\n", 15_000)).toMatchObject({ text: "next" });
    expect(notes.take(4, `${long}${long}\n`, 20_000)).toMatchObject({ text: "" });
  });

  it("are steps of the loop, without thinking and without the text of calls", async () => {
    const w = world([{ thinking: "secret thoughts\n", text: "I look.\n" }, { text: "Done." }]);
    const chat = w.model.chat.bind(w.model);
    w.model.chat = async function* (...given) {
      for await (const event of chat(...given)) {
        w.clock.advance(5_000);
        yield event;
      }
    };

    await runLoop(w);

    expect(w.steps.filter(({ kind }) => kind === "writing").slice(0, 2)).toEqual([
      { kind: "writing", chars: 16, text: "" },
      { kind: "writing", chars: 24, text: "I look." },
    ]);
  });

  it("show nothing of a call that is written as text", () => {
    const reading = modelReplies.read(TOOLS, "native", "");

    const shown = ["I write.\n<tool", '_call>{"name":"write_file",\n', '"arguments":{"path":"a",\n'].map((piece) =>
      reading.text(piece),
    );

    expect(shown).toEqual(["I write.\n", "", ""]);
  });
});
