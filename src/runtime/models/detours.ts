/** Ways past endpoints that are all down: while one is open, requests that insist on no model may take it. */
export type Detour = "fallback" | "claude";

export class Detours {
  readonly #open = new Set<Detour>();

  isOpen(detour: Detour): boolean {
    return this.#open.has(detour);
  }

  open(detour: Detour): void {
    this.#open.add(detour);
  }

  close(detour: Detour): void {
    this.#open.delete(detour);
  }
}
