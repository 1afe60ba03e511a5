/** One reply read in every way in which a stream can be cut: at each byte, and into pieces of one to three bytes. */
import type { Random } from "#base";
import type { ReadReply } from "../../../src/execution/tool-calls/read-reply.ts";
import { ReplyReader } from "../../../src/execution/tool-calls/reply-reader.ts";
import type { Corrupted, Corruption } from "./corruptions.ts";
import { randomCalls } from "./documents.ts";
import { TOOLS } from "./tools.ts";
import { WRITERS, type Writer } from "./writers.ts";

const CHUNK_BYTES = [1, 2, 3];

export type SplitReading = {
  readonly writer: Writer;
  readonly corruption: Corruption;
  readonly corrupted: Corrupted;
  /** As it is read in one piece. */
  readonly whole: ReadReply;
  readonly readings: number;
  /** Places at which the reply was cut when it was read otherwise than whole. */
  readonly mismatches: readonly string[];
};

/**
 * Documents of one corruption, `rounds` of every format, each in every cut.
 * @param draws how many are drawn for each, of which the shortest that serves is taken: the time grows with the square of the length.
 */
export function* readSplit(
  random: Random,
  corruption: Corruption,
  { rounds, draws }: { readonly rounds: number; readonly draws: number },
): Generator<SplitReading> {
  for (let round = 0; round < rounds; round += 1) {
    for (const writer of WRITERS) {
      const drawn = Array.from({ length: draws }, () => randomCalls(random, writer));
      const corrupted = drawn
        .sort((a, b) => writer.write(a).length - writer.write(b).length)
        .map((calls) => corruption.apply(calls, writer, random))
        .find((one) => one !== undefined && one.text.length > 1);
      if (corrupted !== undefined) yield readInEveryCut(writer, corruption, corrupted);
    }
  }
}

function readInEveryCut(writer: Writer, corruption: Corruption, corrupted: Corrupted): SplitReading {
  const bytes = new TextEncoder().encode(corrupted.text);
  const whole = read([bytes], corrupted);
  const meant = JSON.stringify(whole);
  const mismatches: string[] = [];
  let readings = 0;
  const compare = (pieces: readonly Uint8Array[], name: string): void => {
    readings += 1;
    if (JSON.stringify(read(pieces, corrupted)) !== meant) mismatches.push(name);
  };
  for (let at = 1; at < bytes.length; at += 1) compare([bytes.subarray(0, at), bytes.subarray(at)], `cut at ${at}`);
  for (const size of CHUNK_BYTES) compare(chunksOf(bytes, size), `pieces of ${size}`);
  return { writer, corruption, corrupted, whole, readings, mismatches };
}

/** As clients read: a character whose bytes are cut apart comes with its last one. */
function read(pieces: readonly Uint8Array[], { reason }: Corrupted): ReadReply {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const reader = new ReplyReader(TOOLS);
  for (const piece of pieces) reader.push({ kind: "text", text: decoder.decode(piece, { stream: true }) });
  return reader.end(reason);
}

function chunksOf(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}
