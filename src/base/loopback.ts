/** @returns whether the address is on this very host. */
export function isLoopback(url: string): boolean {
  const host = URL.parse(url)?.hostname ?? "";
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** @returns whether others on the way can read what is sent there: no secret may be. */
export function isInTheOpen(url: string): boolean {
  return URL.parse(url)?.protocol === "http:" && !isLoopback(url);
}
