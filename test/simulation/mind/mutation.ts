/** One deliberate defect of src/fsm: `find` stands exactly once in the file and is replaced. */
export type Mutation = {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};
