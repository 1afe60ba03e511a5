/** A hub and its members: real processes of the executable on loopback, and who of them is the hub. */
import type { Random } from "#base";
import type { BinaryWorld } from "../../support/binary-node.ts";
import { untilAsked } from "../../support/until-asked.ts";
import type { LinkFault } from "./door.ts";
import { Site } from "./site.ts";

const JOIN_LIMIT_MS = 30_000;

export type Standing = { readonly role: string; readonly hub: { readonly id: string } | null };

export class CrashFleet {
  readonly sites: readonly Site[];
  #hub: Site;

  constructor(hub: Site, members: readonly Site[]) {
    this.#hub = hub;
    this.sites = [hub, ...members];
  }

  get hub(): Site {
    return this.#hub;
  }

  get members(): readonly Site[] {
    return this.sites.filter((site) => site !== this.#hub);
  }

  /** What one asks the other meets this fault from now on. */
  link(from: Site, to: Site, fault: LinkFault): void {
    to.door.set(from.id, fault);
  }

  /** Nothing passes between these and all others, in both directions, or everything does again. */
  isolate(apart: readonly Site[], fault: LinkFault): void {
    for (const site of apart) {
      for (const other of this.sites) {
        if (apart.includes(other)) continue;
        this.link(site, other, fault);
        this.link(other, site, fault);
      }
    }
  }

  /** Another one was promoted. */
  hubIs(site: Site): void {
    this.#hub = site;
  }

  async close(): Promise<void> {
    for (const { door } of this.sites) await door.close();
  }
}

/** @returns undefined while the node does not answer. */
export async function standingOf(site: Site): Promise<Standing | undefined> {
  const answer = await site.node.request("GET", "/api/fleet").catch(() => undefined);
  return answer?.status === 200 ? (answer.body as Standing) : undefined; // `as`: the API's own document
}

export async function untilHub(site: Site, limitMs: number): Promise<void> {
  await untilAsked(`${site.name} is the hub`, async () => (await standingOf(site))?.role === "hub", limitMs);
}

export async function untilFollows(site: Site, hub: Site, limitMs: number): Promise<void> {
  await untilAsked(
    `${site.name} follows ${hub.name}`,
    async () => {
      const said = await standingOf(site);
      return said?.role !== "hub" && said?.hub?.id === hub.id;
    },
    limitMs,
  );
}

export type FleetOptions = {
  readonly world: BinaryWorld;
  readonly members: number;
  readonly executable?: string | undefined;
  readonly random: Random;
};

export async function startFleet({ world, members, executable, random }: FleetOptions): Promise<CrashFleet> {
  const names = ["hub", ...Array.from({ length: members }, (_unused, index) => `member-${index + 1}`)];
  const made = await Promise.all(names.map((name) => Site.make({ world, executable, name }, random)));
  const [hub, ...others] = made;
  if (hub === undefined) throw new Error("there is no hub");
  await Promise.all(made.map((site) => site.start()));
  const before = hub.nodePid();
  const token = await hub.node.request("POST", "/api/tokens", { uses: Math.max(1, members), role: "member" });
  const { invitation } = token.body as { readonly invitation: string }; // `as`: the API's own document
  await hub.untilOtherNode(before);
  await untilHub(hub, JOIN_LIMIT_MS);
  await Promise.all(others.map((site) => joined(site, invitation)));
  return new CrashFleet(hub, others);
}

async function joined(site: Site, invitation: string): Promise<void> {
  const before = site.nodePid();
  const answer = await site.node.request("POST", "/api/fleet/join", {
    invitation,
    name: site.name,
    url: site.door.url,
  });
  if (answer.status !== 200) throw new Error(`${site.name} may not join: ${JSON.stringify(answer.body)}`);
  await site.untilOtherNode(before);
}
