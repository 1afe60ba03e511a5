import { describe, expect, it } from "vitest";
import { CallFailed, failureOf, fetchUnder } from "../../../src/inference/io/http.ts";

const MIB = 1024 * 1024;

describe("a reply of a model server", () => {
  it("that does not end is given up at its limit, and the server is told so", async () => {
    let sent = 0;
    const gone = Promise.withResolvers<void>();
    const flood = (): ReadableStream<Uint8Array> =>
      new ReadableStream({
        pull: (out) => {
          sent += 1;
          out.enqueue(new Uint8Array(MIB));
        },
        cancel: () => gone.resolve(),
      });
    const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(flood()) });
    const { signal } = new AbortController();
    const response = await fetchUnder(signal)(server.url);
    let bytes = 0;

    // `as`: a body is a stream of bytes.
    const reading = (async () => {
      for await (const chunk of response.body as ReadableStream<Uint8Array>) bytes += chunk.byteLength;
    })();

    const thrown: unknown = await reading.catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(CallFailed);
    expect(failureOf(thrown, signal)).toMatchObject({
      kind: "cut",
      message: `the reply is longer than ${64 * MIB} bytes`,
    });
    expect(bytes).toBeLessThanOrEqual(64 * MIB);
    await gone.promise;
    expect(sent).toBeLessThan(200);
    await server.stop(true);
  });
});
