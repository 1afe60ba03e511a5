/**
 * Addresses that mean something only inside: private ranges (RFC 1918, RFC 6598, RFC 4193, RFC 3927) and names that only
 * a local resolver knows (RFC 6762, RFC 8375, and what companies use). They are replaced by addresses reserved for
 * documents (RFC 5737, RFC 3849, RFC 2606), the same one for the same address.
 */
import type { Sighting } from "./finding.ts";

const IPV4 = /(?<![\d.\w-])(?:\d{1,3}\.){3}\d{1,3}(?:\/\d{1,2})?(?![\d\w-]|\.\d)/g;
const IPV6 = /(?<![\w:.])f[cd][0-9a-f]{2}:[0-9a-f:]{1,35}[0-9a-f](?:\/\d{1,3})?(?![\w:])/gi;
const HOST =
  /(?<![\w.@/$-])(?:[a-z0-9](?:[a-z0-9-]{0,62})\.){1,6}(?:local|lan|internal|intranet|corp|localdomain|home\.arpa|ts\.net)(?![\w-]|\.\w|\()/gi;

/** Names that are everybody's, and say nothing about a house. */
const PUBLIC_NAMES =
  /^(?:host\.docker\.internal|gateway\.docker\.internal|metadata\.google\.internal|.*\.svc\.cluster\.local|.*\.example\.(?:internal|local|lan))$/i;
/** Words of code that end like such a name: `import.meta.local`, `this.internal`. */
const CODE_NAMES =
  /^(?:this|self|module|exports|process|window|global|config|settings|options|env|opts|props|state|ctx|app|api|src|lib|internal|pkg|com|org|sun|java)\./i;

const MAX_SIGHTINGS = 1_000;

function octets(text: string): readonly number[] | undefined {
  const parts = text.split(".").map(Number);
  return parts.every((part) => part <= 255) ? parts : undefined;
}

/** @returns whether the address lies in a range that is not routed outside. */
function isPrivate([first = 0, second = 0]: readonly number[]): boolean {
  return (
    first === 10 ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254) ||
    (first === 100 && second >= 64 && second <= 127)
  );
}

/** `10.0.0.0/8` names a range, as code that deals with ranges does, and no host in it; so does an address that ends in 0. */
function isRange(address: readonly number[], bits: string | undefined): boolean {
  if (bits === undefined) return address[3] === 0;
  const hostBits = 32 - Number(bits);
  const value = address.reduce((sum, part) => sum * 256 + part, 0);
  return hostBits > 0 && value % 2 ** hostBits === 0;
}

/** 169.254.169.254 is where each cloud has its metadata. */
const METADATA = "169.254.169.254";

function ipv4Sightings(text: string): readonly Sighting[] {
  return [...text.matchAll(IPV4)].flatMap((match) => {
    const [address = "", bits] = match[0].split("/");
    const parts = octets(address);
    if (parts === undefined || !isPrivate(parts) || isRange(parts, bits) || address === METADATA) return [];
    return [seen("private-address", match.index, address)];
  });
}

function seen(rule: string, start: number, text: string): Sighting {
  return { kind: "address", rule, severity: "block", start, end: start + text.length, replacement: text };
}

/** @returns internal addresses and host names; `replacement` is what may stand in their place. */
export function seeAddresses(text: string): readonly Sighting[] {
  const found = [
    ...ipv4Sightings(text),
    ...[...text.matchAll(IPV6)].map((match) => seen("private-address", match.index, match[0].split("/")[0] ?? "")),
    ...[...text.matchAll(HOST)]
      .filter(([name]) => !PUBLIC_NAMES.test(name) && !CODE_NAMES.test(name))
      .map((match) => seen("internal-host", match.index, match[0])),
  ].slice(0, MAX_SIGHTINGS);
  const names = new DocumentNames();
  return found
    .toSorted((left, right) => left.start - right.start)
    .map((sighting) => ({
      ...sighting,
      replacement: names.of(sighting.replacement ?? ""),
    }));
}

/** Documents of one repository that are published together say the same name for the same host. */
export class DocumentNames {
  readonly #given = new Map<string, string>();
  readonly #counts = { four: 0, six: 0, host: 0 };

  /** @returns an address or name reserved for documents; the same for the same `address`. */
  of(address: string): string {
    const key = address.toLowerCase();
    const known = this.#given.get(key);
    if (known !== undefined) return known;
    const made = this.#next(key);
    this.#given.set(key, made);
    return made;
  }

  #next(address: string): string {
    if (address.includes(":")) {
      this.#counts.six += 1;
      return `2001:db8::${this.#counts.six.toString(16)}`;
    }
    if (/^[\d.]+$/.test(address)) {
      this.#counts.four += 1;
      return documentIpv4(this.#counts.four);
    }
    this.#counts.host += 1;
    return `host-${this.#counts.host}.example.com`;
  }
}

const DOCUMENT_NETS = ["192.0.2", "198.51.100", "203.0.113"];
const HOSTS_OF_NET = 254;

/** Past the 762 addresses of the three nets they begin again: by then nobody reads them as hosts. */
function documentIpv4(count: number): string {
  const net = DOCUMENT_NETS[Math.floor((count - 1) / HOSTS_OF_NET) % DOCUMENT_NETS.length] ?? "192.0.2";
  return `${net}.${((count - 1) % HOSTS_OF_NET) + 1}`;
}
