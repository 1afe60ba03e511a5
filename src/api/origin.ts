/** Who may be spoken to and from where: keeps web pages of other origins away from a node on loopback. Pure. */

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** @returns the host names and addresses under which this API answers, lower case, without ports. */
export function allowedHosts(configured: readonly string[]): ReadonlySet<string> {
  return new Set([...LOOPBACK, ...configured.map((host) => nameOf(host.toLowerCase()))]);
}

/**
 * A page of another site can make a name of its own point at 127.0.0.1 (DNS rebinding); its requests then carry that
 * name in Host. (OWASP, "DNS Rebinding".)
 */
export function isAllowedHost(host: string, allowed: ReadonlySet<string>): boolean {
  return /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/i.test(host) && allowed.has(nameOf(host.toLowerCase()));
}

/**
 * May a request that changes state come from there? Programs send neither header; browsers send both.
 * @param host the Host header, already found to be allowed
 */
export function isAllowedOrigin(origin: string | undefined, fetchSite: string | undefined, host: string): boolean {
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none") return false;
  if (origin === undefined) return true;
  const match = /^https?:\/\/([^/]+)$/i.exec(origin);
  return match?.[1]?.toLowerCase() === host.toLowerCase();
}

function nameOf(host: string): string {
  return /^[^:]*:[^:]*:/.test(host) && !host.startsWith("[") ? `[${host}]` : host.replace(/:\d+$/, "");
}
