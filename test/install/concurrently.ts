/** Runs `work` over all of `items`, at most `limit` at a time. @returns the results in the order of the items. */
export async function concurrently<Item, Found>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Found>,
): Promise<readonly Found[]> {
  const results: Found[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      const item = items[index];
      if (item !== undefined) results[index] = await work(item);
    }
  };
  await Promise.all(Array.from({ length: limit }, lane));
  return results;
}
