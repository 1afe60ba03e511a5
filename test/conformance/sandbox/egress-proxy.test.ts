import { closeSync, readdirSync, readFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { parseAllowedHosts } from "../../../src/execution/sandbox/egress-policy.ts";
import { type Handover, openHandover } from "../../../src/execution/sandbox/io/egress-handover.ts";
import { offerListener } from "../../../src/execution/sandbox/io/egress-offer.ts";
import {
  EgressProxy,
  type EgressProxyOptions,
  type EgressRecord,
} from "../../../src/execution/sandbox/io/egress-proxy.ts";
import { openKernel } from "../../../src/execution/sandbox/io/kernel.ts";
import { realClock } from "../../support/real-clock.ts";
import { waitUntil } from "../../support/wait-until.ts";

const containing = (part: string): unknown => expect.stringContaining(part);

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** An HTTP server that answers with what it was sent. */
function echo(): Promise<number> {
  return listen((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Buffer) => {
      const body = bytes.toString("latin1");
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
  });
}

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer(serve);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve());
  });
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  );
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function proxyFor(entries: readonly string[], more: Partial<EgressProxyOptions> = {}) {
  const rules = parseAllowedHosts(entries);
  if (!rules.ok) throw new Error(rules.error.message);
  const records: EgressRecord[] = [];
  const resolve = (): Promise<readonly string[]> => Promise.resolve(["127.0.0.1"]);
  const onRequest = (record: EgressRecord): void => void records.push(record);
  const proxy = new EgressProxy({ rules: rules.value, clock: realClock, resolve, onRequest, ...more });
  closing.push(() => Promise.resolve(proxy.close()));
  const port = await listen((socket) => proxy.accept(socket));
  return { proxy, port, records };
}

/** Sends bytes to a port and collects what comes back until the end. */
function exchange(port: number, ...parts: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(port, "127.0.0.1");
    socket.on("data", (bytes: Buffer) => {
      received += bytes.toString("latin1");
      if (received.startsWith("HTTP/1.1 200 Connection") && parts[1] !== undefined && !received.includes("OK"))
        socket.write(parts[1]);
    });
    socket.on("error", () => resolve(received));
    socket.on("close", () => resolve(received));
    socket.write(parts[0] ?? "");
  });
}

describe("the egress proxy", () => {
  it("tunnels to a listed host and port, and records that it did", async () => {
    const port = await echo();
    const { port: proxyPort, records } = await proxyFor([`allowed.example.org:${port}`, `127.0.0.1:${port}`]);

    const answer = await exchange(proxyPort, `CONNECT allowed.example.org:${port} HTTP/1.1\r\n\r\n`, "ping");

    expect(answer).toMatch(/^HTTP\/1\.1 200 Connection established\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*ping$/);
    expect(records).toEqual([{ target: `allowed.example.org:${port}`, allowed: true, reason: "127.0.0.1" }]);
  });

  it("forwards an absolute request as the server expects it, to the host that was decided on", async () => {
    const port = await echo();
    const { port: proxyPort } = await proxyFor([`allowed.example.org:${port}`, `127.0.0.1:${port}`]);
    const head = `GET http://allowed.example.org:${port}/a?b=c HTTP/1.1\r\nHost: evil.example.com\r\nProxy-Authorization: x\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n`;

    const answer = await exchange(proxyPort, head);

    const sent = answer.slice(answer.indexOf("\r\n\r\n") + 4);
    expect(sent).toBe(
      `GET /a?b=c HTTP/1.1\r\nHost: allowed.example.org:${port}\r\nAccept: */*\r\nConnection: close\r\n\r\n`,
    );
  });

  it.each([
    ["a host that is not listed", "CONNECT other.example.org:443 HTTP/1.1\r\n\r\n", "403"],
    ["an address", "CONNECT 127.0.0.1:80 HTTP/1.1\r\n\r\n", "403"],
    ["a decimal address", "CONNECT 2130706433:80 HTTP/1.1\r\n\r\n", "403"],
    ["user information", "CONNECT allowed.example.org@127.0.0.1:80 HTTP/1.1\r\n\r\n", "403"],
    ["a dot at the end", "CONNECT allowed.example.org.:443 HTTP/1.1\r\n\r\n", "403"],
    ["a NUL in the host", "CONNECT 127.0.0.1\0allowed.example.org:443 HTTP/1.1\r\n\r\n", "400"],
    ["a relative request", "GET / HTTP/1.1\r\nHost: allowed.example.org\r\n\r\n", "403"],
    ["another scheme", "GET ftp://allowed.example.org/ HTTP/1.1\r\n\r\n", "403"],
    ["a bare line feed", "CONNECT allowed.example.org:443 HTTP/1.1\nX: y\r\n\r\n", "400"],
    ["a folded header", "CONNECT allowed.example.org:443 HTTP/1.1\r\n folded\r\n\r\n", "400"],
    ["no HTTP", "\x16\x03\x01\r\n\r\n", "400"],
  ])("refuses %s", async (_, request, status) => {
    const { port: proxyPort } = await proxyFor(["allowed.example.org"]);

    expect(await exchange(proxyPort, request)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it("refuses a listed name that leads to a private address, and one that cannot be resolved", async () => {
    const { port: proxyPort, records } = await proxyFor(["allowed.example.org"]);
    const failing = await proxyFor(["allowed.example.org"], {
      resolve: () => Promise.reject(new Error("no such host")),
    });
    const request = "CONNECT allowed.example.org:443 HTTP/1.1\r\n\r\n";

    expect(await exchange(proxyPort, request)).toContain("403");
    expect(records).toMatchObject([{ allowed: false, reason: containing("not public") }]);
    expect(await exchange(failing.port, request)).toContain("cannot be resolved");
  });

  it("resolves a name once, and connects to the very address that it looked at", async () => {
    const port = await echo();
    let asked = 0;
    const resolve = (): Promise<readonly string[]> => Promise.resolve([asked++ === 0 ? "127.0.0.1" : "192.0.2.1"]);
    const { port: proxyPort } = await proxyFor([`allowed.example.org:${port}`, `127.0.0.1:${port}`], { resolve });

    expect(await exchange(proxyPort, `GET http://allowed.example.org:${port}/ HTTP/1.1\r\n\r\n`)).toContain("200 OK");
    expect(asked).toBe(1);
  });

  it("cuts a transfer at its limit of bytes, and connections above their limit", async () => {
    const port = await echo();
    const list = [`allowed.example.org:${port}`, `127.0.0.1:${port}`];
    const small = await proxyFor(list, { maxBytes: 100 });
    const narrow = await proxyFor(list, { maxConnections: 0 });
    const request = `GET http://allowed.example.org:${port}/${"x".repeat(300)} HTTP/1.1\r\n\r\n`;

    expect((await exchange(small.port, request)).length).toBeLessThanOrEqual(100);
    expect(await exchange(narrow.port, request)).toContain("503");
  });

  it("refuses a head that does not end", async () => {
    const { port: proxyPort } = await proxyFor(["allowed.example.org"]);

    expect(await exchange(proxyPort, `CONNECT allowed.example.org:443 HTTP/1.1\r\nX: ${"y".repeat(20_000)}`)).toContain(
      "400",
    );
  });

  it("serves the socket that a launcher sends, and leaves no connection and no port behind when it is closed", async () => {
    const { proxy } = await proxyFor(["allowed.example.org"]);
    const port = await freePort();
    launch(proxy, port);
    const refused = await exchange(port, "CONNECT other.example.org:443 HTTP/1.1\r\n\r\n");
    const waiting = exchange(port, "CONNECT ");
    await waitUntil("the connection is there", () => isConnected(port));
    proxy.close();

    expect(refused).toContain("403");
    expect(await waiting).toBe("");
    expect(await exchange(port, "CONNECT other.example.org:443 HTTP/1.1\r\n\r\n")).toBe("");
  });

  it("ends one command's way alone", async () => {
    const { proxy } = await proxyFor(["allowed.example.org"]);
    const ports = [await freePort(), await freePort()] as const;
    const detach = launch(proxy, ports[0]);
    launch(proxy, ports[1]);
    detach();
    const answers = await Promise.all(
      ports.map((port) => exchange(port, "CONNECT other.example.org:443 HTTP/1.1\r\n\r\n")),
    );

    expect(answers).toEqual(["", containing("403")]);
  });

  it("waits for a launcher until it has ended or its command is over, and keeps nothing open", async () => {
    const { proxy } = await proxyFor(["allowed.example.org"]);
    const before = openDescriptors();
    const [ended, over] = [handover(), handover()];
    proxy.attach(ended.ours);
    const detach = proxy.attach(over.ours);
    detach();
    detach();
    closeSync(ended.theirs);
    closeSync(over.theirs);

    await waitUntil("nothing is open", () => openDescriptors() === before);
    expect(openDescriptors()).toBe(before);
  });
});

function handover(): Handover {
  const opened = openHandover();
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}

/** What a launcher does, in the network of this process. */
function launch(proxy: EgressProxy, port: number): () => void {
  const kernel = openKernel();
  if (typeof kernel === "string") throw new Error(kernel);
  const { ours, theirs } = handover();
  offerListener(kernel, { port, handover: theirs, makesNetwork: false });
  closeSync(theirs);
  return proxy.attach(ours);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

function isConnected(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .some((line) => line.includes(`:${hex} `) && / 01 /.test(line));
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
