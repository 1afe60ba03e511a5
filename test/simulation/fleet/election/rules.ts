/** The rules that histories of elections are held against; the letters are those of src/fleet/election.ts and voters.ts. */
export const ELECTION_RULES = {
  "one hub": "E1, M1, M2: a round elects one hub, and an epoch has one, elected or made by hand",
  "one at once": "E3, E4, E5: at any instant of true time one hub acknowledges",
  newest: "E2: a vote goes to a copy that is at least as new as the voter's",
  undisturbed: "E6: a node that nobody hears raises no epoch, and its return changes no hub",
  serving: "with a majority in touch, a hub acknowledges again within a bound, and stays the hub",
  "no exception": "nothing ends by an exception",
} as const;
export type ElectionRule = keyof typeof ELECTION_RULES;

export type ElectionBreach = { readonly rule: ElectionRule; readonly text: string; readonly atMs: number };
