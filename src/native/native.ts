import { CLOCK } from "./clock.ts";
import { compileC, type NativeCode } from "./compile.ts";
import { LOOP_WATCH } from "./loop-watch.ts";
import { STATEMENT_LIMITS } from "./statement-limits.ts";

const FUNCTIONS = {
  start_watch: { args: ["ptr"], returns: "int" },
  limit_entry: { args: [], returns: "ptr" },
  limit_next: { args: ["ptr"], returns: "void" },
  create_file: { args: [], returns: "int" },
} as const;

/** What this process does in C. */
export type Native = NativeCode<typeof FUNCTIONS>;

let loading: Promise<Native> | null = null;

/**
 * Returns what this process does in C, compiled when it is first asked for and once for all of it: the compiler takes
 * longer to begin than for the code.
 *
 * @throws Error where that can't be had
 */
export function loadNative(): Promise<Native> {
  return (loading ??= compileC(CLOCK + LOOP_WATCH + STATEMENT_LIMITS, FUNCTIONS));
}
