/** Attacks over sockets: with no network, and with a list of allowed hosts, where one proxy port is open. */
import { type Attack, content, perl } from "./attack.ts";
import type { World } from "./world.ts";

const tcp = (port: number, address = "127.0.0.1"): string => `bash -c 'exec 4<>/dev/tcp/${address}/${port}'`;
const opens = (domain: number, type: number, protocol: number): ((world: World) => readonly string[]) =>
  perl(`exit(socket(S, ${domain}, ${type}, ${protocol}) ? 0 : 1)`);
const connects = (address: string): string =>
  `socket(S, AF_UNIX, SOCK_STREAM, 0) || exit 1; exit(connect(S, pack_sockaddr_un("${address}")) ? 0 : 1);`;
/** Asks the proxy for a target in the given first line; succeeds unless it refuses. */
const asks = (world: World, line: string): readonly string[] =>
  perl(
    `$SIG{ALRM} = sub { exit 1 }; alarm 3; socket(S, AF_INET, SOCK_STREAM, 6) || exit 1; connect(S, pack_sockaddr_in(${world.proxyPort}, INADDR_LOOPBACK)) || exit 1; syswrite(S, "${line}\\r\\n\\r\\n"); sysread(S, $b, 64); exit($b =~ / 200 / ? 0 : 1)`,
  )(world);

export const ATTACKS_ON_NETWORK: readonly Attack[] = [
  content("connect by TCP", ({ tcpPort }) => tcp(tcpPort)),
  content("connect by TCP over IPv6", (world) =>
    perl(
      `socket(S, AF_INET6, SOCK_STREAM, 6) || exit 1; exit(connect(S, pack_sockaddr_in6(${world.tcp6Port}, inet_pton(AF_INET6, "::1"))) ? 0 : 1)`,
    )(world),
  ),
  content(
    "call the node's API",
    ({ tcpPort }) =>
      `bash -c 'exec 4<>/dev/tcp/localhost/${tcpPort}; echo DELETE / >&4; read -t 2 -r l <&4; test -n "$l"'`,
  ),
  content("send UDP", (world) =>
    perl(
      `socket(S, AF_INET, SOCK_DGRAM, 0) || exit 1; exit(send(S, "x", 0, pack_sockaddr_in(${world.udpPort}, INADDR_LOOPBACK)) ? 0 : 1)`,
    )(world),
  ),
  content("send UDP by bash", ({ udpPort }) => `bash -c 'echo x >/dev/udp/127.0.0.1/${udpPort}'`),
  content("ask a name server", (world) =>
    perl(
      `socket(S, AF_INET, SOCK_DGRAM, 17) || exit 1; exit(connect(S, pack_sockaddr_in(53, INADDR_LOOPBACK)) ? 0 : 1)`,
    )(world),
  ),
  content("listen on TCP", perl("socket(S, AF_INET, SOCK_STREAM, 0) || exit 1; exit(listen(S, 1) ? 0 : 1)")),
  content(
    "bind a TCP port",
    perl("socket(S, AF_INET, SOCK_STREAM, 0) || exit 1; exit(bind(S, pack_sockaddr_in(0, INADDR_ANY)) ? 0 : 1)"),
  ),
  content("connect to a socket in the workspace", (world) => perl(connects("control.sock"))(world)),
  content("connect to the node's control socket", (world) => perl(connects(`${world.state}/node.sock`))(world)),
  content("connect to a daemon's socket", (world) => perl(connects(`${world.outside}/docker.sock`))(world)),
  content("connect to an abstract socket", (world) => perl(connects(`\\0${world.name}`))(world)),
  content("send through a datagram pair to a path", (world) =>
    perl(
      `socketpair(A, B, AF_UNIX, SOCK_DGRAM, 0) || exit 1; exit(send(A, "x", 0, pack_sockaddr_un("${world.datagramPath}")) ? 0 : 1)`,
    )(world),
  ),
  content("reconnect a stream pair", (world) =>
    perl(
      `socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) || exit 1; exit(connect(A, pack_sockaddr_un("${world.outside}/docker.sock")) ? 0 : 1)`,
    )(world),
  ),
  content("open netlink", opens(16, 3, 0)),
  content("open vsock", opens(40, 1, 0)),
  content("open a packet socket", opens(17, 3, 768)),
  content("open a raw socket", opens(2, 3, 1)),
  content("open a ping socket", opens(2, 2, 1)),
  content("open MPTCP", opens(2, 1, 262)),
  content("open the kernel's crypto socket", opens(38, 5, 0)),
  content("open SCTP", opens(2, 1, 132)),
  content(
    "fetch by the executable's own runtime",
    (world) => [
      ...world.runtime,
      "-e",
      `fetch("http://127.0.0.1:${world.tcpPort}").then(() => process.exit(0), () => process.exit(1))`,
    ],
    { environment: { BUN_BE_BUN: "1" } },
  ),
];

export const ATTACKS_ON_ALLOW_LIST: readonly Attack[] = [
  content("connect past the proxy", ({ tcpPort }) => tcp(tcpPort)),
  content("connect past the proxy over IPv6", (world) =>
    perl(
      `socket(S, AF_INET6, SOCK_STREAM, 6) || exit 1; exit(connect(S, pack_sockaddr_in6(${world.tcp6Port}, inet_pton(AF_INET6, "::1"))) ? 0 : 1)`,
    )(world),
  ),
  content("connect to another address on the proxy's port", ({ proxyPort }) => tcp(proxyPort, "127.0.0.2")),
  content(
    "send out through another address on the proxy's port",
    ({ proxyPort }) =>
      `bash -c 'exec 4<>/dev/tcp/127.0.0.3/${proxyPort} || exit 1; echo PRIVATE >&4; read -t 2 -r l <&4; test -n "$l"'`,
  ),
  content("connect within a send", (world) =>
    perl(
      `socket(S, AF_INET, SOCK_STREAM, 6) || exit 1; exit(defined(send(S, "x", 0x20000000, pack_sockaddr_in(${world.tcpPort}, INADDR_LOOPBACK))) ? 0 : 1)`,
    )(world),
  ),
  content("send UDP", (world) =>
    perl(
      `socket(S, AF_INET, SOCK_DGRAM, 0) || exit 1; exit(send(S, "x", 0, pack_sockaddr_in(${world.udpPort}, INADDR_LOOPBACK)) ? 0 : 1)`,
    )(world),
  ),
  content("open MPTCP", opens(2, 1, 262)),
  content("listen without bind", perl("socket(S, AF_INET, SOCK_STREAM, 0) || exit 1; exit(listen(S, 1) ? 0 : 1)")),
  content(
    "bind a port",
    perl("socket(S, AF_INET, SOCK_STREAM, 0) || exit 1; exit(bind(S, pack_sockaddr_in(0, INADDR_ANY)) ? 0 : 1)"),
  ),
  content("connect to an abstract socket", (world) => perl(connects(`\\0${world.name}`))(world)),
  content("open netlink", opens(16, 3, 0)),
  content("ask for an unlisted host", (world) => asks(world, `CONNECT localhost:${world.tcpPort} HTTP/1.1`)),
  content("ask for a name that leads to loopback", (world) =>
    asks(world, `CONNECT rebound.example.org:${world.tcpPort} HTTP/1.1`),
  ),
  content("ask for an address", (world) => asks(world, `CONNECT 127.0.0.1:${world.tcpPort} HTTP/1.1`)),
  content("ask for a decimal address", (world) => asks(world, `CONNECT 2130706433:${world.tcpPort} HTTP/1.1`)),
  content("ask for a mapped address", (world) => asks(world, `CONNECT [::ffff:127.0.0.1]:${world.tcpPort} HTTP/1.1`)),
  content("ask for the metadata address", (world) => asks(world, "CONNECT 169.254.169.254:80 HTTP/1.1")),
  content("hide a host behind user information", (world) =>
    asks(world, `CONNECT allowed.example.org@localhost:${world.tcpPort} HTTP/1.1`),
  ),
  content("hide a host behind a NUL", (world) =>
    asks(world, `CONNECT localhost\\0.example.org:${world.tcpPort} HTTP/1.1`),
  ),
  content("end a host with a dot", (world) => asks(world, `CONNECT localhost.:${world.tcpPort} HTTP/1.1`)),
  content("ask for an absolute URL", (world) => asks(world, `GET http://localhost:${world.tcpPort}/ HTTP/1.1`)),
];
