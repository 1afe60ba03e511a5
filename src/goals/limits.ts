/** Limits of goals, each with its reason. */

/** One line of a table. */
export const MAX_TITLE_CHARS = 200;
/** A page of words, and files are named rather than quoted; it stands in the prompt of each plan. */
export const MAX_DESCRIPTION_CHARS = 32 * 1024;
/** Each is judged by itself, and stands in each prompt. */
export const MAX_CRITERIA = 30;
export const MAX_CRITERION_CHARS = 1_000;
/** As of a task. */
export const MAX_CHECKS = 50;
export const MAX_LABELS = 16;
export const MAX_LABEL_CHARS = 128;
export const MAX_NAME_CHARS = 200;
export const MAX_PATH_CHARS = 4_096;
export const MAX_KEY_CHARS = 200;
export const MAX_REASON_CHARS = 2_000;
/** A trillion tokens, a billion dollars: what is larger is a slip of the hand. */
export const MAX_BUDGET_TOKENS = 1_000_000_000_000;
export const MAX_BUDGET_MICRODOLLARS = 1_000_000_000_000_000;

/** Tasks of one plan: what needs more is several goals, and a model that names more has not understood. */
export const MAX_PLAN_TASKS = 20;
export const MAX_PLAN_PROMPT_CHARS = 8 * 1024;
export const MAX_PLAN_FILES = 50;
/** What a model says in one reply that is read as JSON; the longest is a plan. */
export const MAX_REPLY_CHARS = 64 * 1024;
/** Replies asked for until a deterministic plan takes their place: the first, and two with the errors of the one before. */
export const MAX_ASKS = 3;
/** The first plan, and two more of what failed. What fails three times needs a person. */
export const MAX_ROUNDS = 3;
/** Rows that a goal can ever have: of each round its plans, its tasks, a check and its judges. */
export const MAX_GOAL_TASKS = MAX_ROUNDS * (MAX_ASKS + MAX_PLAN_TASKS + 1 + MAX_ASKS);
/** A delivery that fails for a while is tried so often; a forge that is away for longer needs a person. */
export const MAX_DELIVERY_TRIES = 10;

/** Goals that have not ended. Each is looked at with every tick. */
export const MAX_OPEN_GOALS = 1_000;
/** Goals on one page of a list. */
export const MAX_GOAL_PAGE = 200;
/** Events of one goal: a few for each of its tasks. */
export const MAX_GOAL_EVENTS = 1_000;

/** What stands in a prompt of a repository's files, and of one of its documents. */
export const MAX_SHOWN_FILES = 400;
export const MAX_SHOWN_CONVENTION_CHARS = 2_000;
/** What is told of one failed task. */
export const MAX_SHOWN_ERROR_CHARS = 1_500;
