/** Whether the checks of a fleet of real processes would notice: executables with one defect each, and one with none. */
import type { FaultKind } from "./faults.ts";
import { MUTATIONS, type Mutation } from "./mutations.ts";
import { fleetRun, type Limits, USUAL } from "./run.ts";
import { Variants } from "./variants.ts";

const MEMBERS = 2;
const SEED = 5;
/** A mutant never heals: it need not be waited for as long as for what is to be proved right. */
const SOON: Limits = { healMs: 30_000, drainMs: 15_000, equalMs: 8_000 };

export type Fate = { readonly name: string; readonly isCaught: boolean; readonly violations: readonly string[] };

/** @returns whether every mutant is caught by what it breaks, and the control, under all of their faults, by nothing. */
export async function tellMutants(only: string | undefined): Promise<boolean> {
  const variants = new Variants();
  const wanted = MUTATIONS.filter(({ name }) => only === undefined || name === only);
  try {
    const fates: Fate[] = [];
    for (const mutation of wanted) {
      const fate = await fateOf(mutation, variants);
      fates.push(fate);
      tell(fate.name, fate.isCaught ? "caught" : "SURVIVES", fate.violations);
    }
    if (only !== undefined) return fates.every(({ isCaught }) => isCaught);
    const control = await played(undefined, [...new Set(MUTATIONS.flatMap(({ faults }) => faults))], USUAL);
    tell("control: no defect", control.length === 0 ? "passes" : "FAILS", control);
    return control.length === 0 && fates.every(({ isCaught }) => isCaught);
  } finally {
    variants.end();
  }
}

async function fateOf({ name, edits, faults, shows }: Mutation, variants: Variants): Promise<Fate> {
  const violations = await played(variants.build(edits), faults, SOON);
  return { name, isCaught: violations.some((text) => shows.test(text)), violations };
}

async function played(
  executable: string | undefined,
  faults: readonly FaultKind[],
  limits: Limits,
): Promise<readonly string[]> {
  const what = executable === undefined ? {} : { executable };
  try {
    const report = await fleetRun({ seed: SEED, members: MEMBERS, faults, limits, isLong: true, ...what });
    return report.violations;
  } catch (cause) {
    return [`the run ended: ${String(cause)}`];
  }
}

function tell(name: string, fate: string, violations: readonly string[]): void {
  console.log(`${name.padEnd(48)} ${fate}`);
  for (const text of violations.slice(0, 4)) console.log(`    ${text.slice(0, 200)}`);
  if (violations.length > 4) console.log(`    and ${violations.length - 4} more`);
}
