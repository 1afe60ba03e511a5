/** One step of a schema. Once released it never changes: its checksum is recorded in every database it was applied to. */
export type Migration = {
  /** 1, 2, 3 …, without gaps. */
  readonly number: number;
  readonly name: string;
  /** Run in order in one transaction. */
  readonly sql: readonly string[];
};
