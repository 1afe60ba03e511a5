import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import {
  inheritedSocket,
  type ListeningSocket,
  openListeningSocket,
  socketAddress,
} from "../../../src/watchdog/io/listening-socket.ts";
import { serveFromSocket } from "../../../src/watchdog/io/shared-server.ts";
import { receiveSockets, sendSocket } from "../../../src/watchdog/io/socket-handover.ts";
import { must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function opened(): ListeningSocket {
  const socket = must(openListeningSocket({ host: "127.0.0.1", port: 0 }));
  ends.push(socket.close);
  return socket;
}

/** A server of Bun's that answers with its name, on the shared socket. */
function serving(socket: ListeningSocket, name: string) {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response(name) });
  ends.push(() => server.stop(true));
  return { server, listener: must(serveFromSocket(server, socket.fd)) };
}

async function ask(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" }, keepalive: false });
  return response.text();
}

describe("a shared listening socket", () => {
  it("keeps a connection waiting until somebody serves it", async () => {
    const socket = opened();
    const asked = ask(socket.port);

    serving(socket, "first");

    expect(await asked).toBe("first");
  });

  it("is served by another server once the first has stopped accepting", async () => {
    const socket = opened();
    const first = serving(socket, "first");
    expect(await ask(socket.port)).toBe("first");

    first.listener.stopAccepting();
    serving(socket, "second");

    expect([await ask(socket.port), await ask(socket.port)]).toEqual(["second", "second"]);
  });

  it("is taken up again by a server that had stopped accepting", async () => {
    const socket = opened();
    const { listener } = serving(socket, "first");
    listener.stopAccepting();
    const asked = ask(socket.port);

    listener.resumeAccepting();

    expect(await asked).toBe("first");
  });

  it("outlives the servers on it", async () => {
    const socket = opened();
    const { server } = serving(socket, "first");
    expect(await ask(socket.port)).toBe("first");

    await server.stop(true);
    const asked = ask(socket.port);
    serving(socket, "second");

    expect(await asked).toBe("second");
  });

  it("leaves no descriptor behind", async () => {
    const count = (): number => readdirSync("/proc/self/fd").length;
    const cycle = async (): Promise<void> => {
      const socket = must(openListeningSocket({ host: "127.0.0.1", port: 0 }));
      const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("here") });
      must(serveFromSocket(server, socket.fd));
      await ask(socket.port);
      await server.stop(true);
      socket.close();
    };
    await cycle();
    const before = count();

    for (let round = 0; round < 50; round += 1) await cycle();

    expect(count() - before).toBeLessThan(10);
  });

  it("is refused to a second program on its port, with what to do", () => {
    const socket = opened();

    const second = openListeningSocket({ host: "127.0.0.1", port: socket.port });

    expect(second).toMatchObject({ ok: false, error: { code: "in_use" } });
    expect(second.ok ? "" : second.error.remedy).toContain("http.port");
  });

  it("listens on IPv6", async () => {
    const socket = must(openListeningSocket({ host: "::1", port: 0 }));
    ends.push(socket.close);
    serving(socket, "six");

    expect(await (await fetch(`http://[::1]:${socket.port}/`)).text()).toBe("six");
  });

  it("is inherited by a child as the descriptor it was given, and by no other", async () => {
    const socket = opened();
    const script =
      "const fs = require('fs'); console.log(fs.readdirSync('/proc/self/fd').map((fd) => { try { return fs.readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }).filter((to) => to.startsWith('socket:')).length)";
    const given = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "pipe", "inherit", socket.fd] });
    const other = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });

    // Both from the start: what the other says first is not waited for again.
    const firstWords = once(other.stdout, "data").then((words) => String(words[0]));
    const [ofGiven, ofOther] = await Promise.all([given.stdout.text(), firstWords]);

    expect(Number(ofGiven) - Number(ofOther)).toBe(1);
  });

  it("sent to another holder is the same socket", async () => {
    const path = join(folder(), "receiver.sock");
    const receiver = must(receiveSockets(path));
    ends.push(receiver.close);
    const socket = opened();
    expect(receiver.take()).toBeUndefined();

    must(sendSocket(path, socket.fd));
    const received = receiver.take();

    expect(received?.port).toBe(socket.port);
    expect(received?.fd).not.toBe(socket.fd);
    socket.close();
    ends.splice(1, 1);
    if (received === undefined) throw new Error("nothing was received");
    ends.push(received.close);
    serving(received, "handed over");
    expect(await ask(received.port)).toBe("handed over");
  });

  it("cannot be a descriptor that is none", () => {
    const client = connect({ port: opened().port, host: "127.0.0.1" });
    ends.push(() => client.destroy());

    expect(inheritedSocket(9_999)).toBeUndefined();
    expect(serveFromSocket({ port: 1 }, 0)).toMatchObject({ ok: false, error: { code: "unsupported" } });
  });
});

describe("an address", () => {
  it.each([
    ["127.0.0.1", "0200 1d09 7f000001 0000000000000000"],
    ["localhost", "0200 1d09 7f000001 0000000000000000"],
    ["0.0.0.0", "0200 1d09 00000000 0000000000000000"],
    ["::1", "0a00 1d09 00000000 00000000000000000000000000000001 00000000"],
    ["fd00::a:1", "0a00 1d09 00000000 fd0000000000000000000000000a0001 00000000"],
  ])("%s is the structure that the kernel reads", (host, hex) => {
    const address = socketAddress(host, 7_433);

    expect(Buffer.from(address ?? []).toString("hex")).toBe(hex.replaceAll(" ", ""));
  });

  it.each(["", "example.org", "256.0.0.1", "1.2.3", "::g", "12::34::56"])("%j is none", (host) => {
    expect(socketAddress(host, 1)).toBeUndefined();
  });
});
