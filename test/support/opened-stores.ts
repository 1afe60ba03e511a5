import { type Failure, type Result, SimulatedClock, seededRandom, silentLogger } from "#base";
import { openStores, type StoreOptions, type Stores } from "#store";

/** @returns the value, or throws the failure as an error that names code and message. */
export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

/** @returns the failure; a success throws. */
export function failureIn<T>(result: Result<T>): Failure {
  if (result.ok) throw new Error("it succeeded");
  return result.error;
}

/** @returns the stores of a folder; a failure throws. */
export async function openedStores(dir: string, options: Partial<StoreOptions> = {}): Promise<Stores> {
  const random = seededRandom(performance.now()); // for node ids: two copies of a folder must not get the same one
  return must(await openStores(dir, { clock: new SimulatedClock(), logger: silentLogger, random, ...options }));
}
