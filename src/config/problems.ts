import { AppError } from "../errors/errors.ts";
import { COMMAND_ERROR_CODES } from "../errors/codes.ts";
import { formatKeyPath, type KeyPath, quote } from "./json/values.ts";
import { isSecretName } from "../log/secret-names.ts";
import { maskAll, maskSecrets } from "./secrets.ts";

const MAX_LINES = 100;

/** Where a value was given. */
export interface Origin {
  /** For programs: `config.json:3:12`, ".env", "environment" or "flag". */
  readonly source: string;
  /** For people: "line 3", or the name of the variable. */
  readonly where: string;
  /** Set when the value came from a variable with the name of a secret: it must not be shown. */
  readonly isSecret: boolean;
}

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** The key, such as `server.cors.allow_origins[0]`; "" when the problem is not about one key. */
  readonly path: string;
  /** Where the value was given: `config.json:3:12` (line and column), ".env", "environment" or "flag". */
  readonly source: string;
  /** What would be accepted, in words. */
  readonly expected: string;
  /** What is there, as one line of JSON with secrets masked, or in words where there is no value. */
  readonly found: string;
  /** What was probably meant: a key beside the unknown one, the full path of another, or a value. */
  readonly suggestion?: string;
  /** The source for a person who has the file open: "line 3", or the variable that gave the value. */
  readonly where: string;
  /** The problem in words, without its path and place. */
  readonly message: string;
}

/**
 * The configuration cannot be used. It holds every problem that was found, not just the first, and its
 * message lists them, one a line, for a terminal: the first 100, which is more than anyone reads.
 */
export class ConfigError extends AppError {
  readonly problems: readonly ConfigProblem[];

  /**
   * @param subject what cannot be used, such as `config.json`
   * @throws RangeError when there is no problem
   */
  constructor(subject: string, problems: readonly ConfigProblem[]) {
    if (problems.length === 0) throw new RangeError("Cannot create ConfigError: no problem is given");
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const lines = problems.slice(0, MAX_LINES).map((problem) => `\n  ${formatProblem(problem)}`);
    if (problems.length > MAX_LINES) lines.push(`\n  and ${problems.length - MAX_LINES} more`);
    super(
      "config_invalid",
      COMMAND_ERROR_CODES.config_invalid.status,
      `Cannot use ${subject}: ${count}${lines.join("")}`,
    );
    this.problems = problems;
  }
}

/** What a problem with one value is made from. */
export interface ProblemParts {
  readonly path: KeyPath;
  readonly value: unknown;
  readonly origin: Origin;
  readonly expected: string;
  readonly suggestion?: string | undefined;
}

/** The problem of a value that its key does not accept. */
export function createValueProblem(parts: ProblemParts): ConfigProblem {
  const { expected, suggestion } = parts;
  const found = describeFound(parts);
  const message = `expected ${expected}, found ${found}${formatSuggestion(suggestion)}`;
  return createProblem(parts, found, message);
}

/** The problem of a key that does not exist. */
export function createUnknownKeyProblem(parts: ProblemParts): ConfigProblem {
  const { expected, suggestion } = parts;
  const message = `unknown key${suggestion === undefined ? `, expected ${expected}` : formatSuggestion(suggestion)}`;
  return createProblem(parts, describeFound(parts), message);
}

/** The problem of a key that is needed and not there. */
export function createMissingKeyProblem(parts: ProblemParts): ConfigProblem {
  return createProblem(parts, "nothing", `missing key, expected ${parts.expected}`);
}

function createProblem(
  { path, origin, expected, suggestion }: ProblemParts,
  found: string,
  message: string,
): ConfigProblem {
  const { source, where } = origin;
  const problem = { path: formatKeyPath(path), source, expected, found, where, message };
  return suggestion === undefined ? problem : { ...problem, suggestion };
}

// A mistyped name of a secret ("pasword") is told by what it was meant to be.
function describeFound({ path, value, origin, suggestion = "" }: ProblemParts): string {
  const names = [...path.map(String), ...suggestion.split(".")];
  return quote(origin.isSecret || names.some(isSecretName) ? maskAll(value) : maskSecrets(value));
}

function formatSuggestion(suggestion: string | undefined): string {
  return suggestion === undefined ? "" : `, did you mean "${suggestion}"?`;
}

function formatProblem({ path, where, message }: ConfigProblem): string {
  return path === "" ? `${where}: ${message}` : `${path} (${where}): ${message}`;
}
