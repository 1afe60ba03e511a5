/** One step of a schema. Once released it never changes: its checksum is recorded in every database it was applied to. */
export type Migration = {
  /** 1, 2, 3 …, without gaps. */
  readonly number: number;
  readonly name: string;
  /**
   * Of the fleet's database: the feature level at which every node can read what this makes of it. It waits until the
   * fleet has reached that level, and so does everything after it; the code must work with what was before meanwhile.
   * Tables and columns that are added wait for nobody: whoever does not know them does not read them.
   */
  readonly needsLevel?: number;
  /** Run in order in one transaction. */
  readonly sql: readonly string[];
};
