/** One generation of a server for the controls: `Bun.serve` on a port, ended as a careful author ends it. */
const port = Number(process.argv[2]);
const BODY = "ok ".repeat(100);
/** Streams have no end of their own. */
const STREAMS_LIMIT_MS = 500;

const server = Bun.serve({
  port,
  hostname: "127.0.0.1",
  reusePort: process.argv[3] === "reuse",
  idleTimeout: 60,
  fetch: (request) =>
    request.headers.get("accept") === "text/event-stream"
      ? new Response(new ReadableStream({ start: (stream) => stream.enqueue(": hello\n\n") }))
      : new Response(BODY),
});
process.on("SIGTERM", () => {
  setTimeout(() => process.exit(0), STREAMS_LIMIT_MS);
  void server.stop().then(() => process.exit(0));
});
console.log("ready");
