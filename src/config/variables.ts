import { parseEnv } from "node:util";

/** A variable of the environment or of the `.env` file. */
export interface Variable {
  readonly name: string;
  readonly value: string;
  readonly source: "environment" | ".env";
}

/** The variables that the configuration may use, by name. */
export type Variables = ReadonlyMap<string, Variable>;

/** A line of a `.env` file that is not a definition. */
export interface DotEnvFault {
  /** Starts at 1. */
  readonly line: number;
  readonly expected: string;
}

/** What a `.env` file defines. */
export interface DotEnv {
  readonly values: ReadonlyMap<string, string>;
  readonly faults: readonly DotEnvFault[];
}

const BLANK = /[ \t]*(?:#.*)?$/my;
const DEFINITION = /[ \t]*(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*[ \t]*=[ \t]*/y;
const REST = /.*$/my;

/** Joins the variables of a `.env` file and of the environment; the environment wins. */
export function joinVariables(
  dotEnv: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): Variables {
  const variables = new Map<string, Variable>();
  for (const [name, value] of dotEnv) variables.set(name, { name, value, source: ".env" });
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) variables.set(name, { name, value, source: "environment" });
  }
  return variables;
}

/**
 * Parses a `.env` file: `NAME=value`, with an optional `export`, comments, and values between single, double
 * or back quotes, which may span lines. Node's parser reads the values; it skips what it cannot read, so the
 * lines it would skip or cut short are reported here.
 */
export function parseDotEnv(text: string): DotEnv {
  const source = text.replace(/^\uFEFF/, "").replaceAll(/\r\n?/g, "\n");
  return { values: new Map(Object.entries(parseEnv(source)).map(toEntry)), faults: findFaults(source) };
}

function toEntry([name, value]: [string, string | undefined]): [string, string] {
  return [name, value ?? ""];
}

function findFaults(source: string): DotEnvFault[] {
  const faults: DotEnvFault[] = [];
  let offset = 0;
  while (offset < source.length) {
    const start = offset;
    const { end, expected } = checkLine(source, start);
    if (expected !== undefined) faults.push({ line: source.slice(0, start).split("\n").length, expected });
    offset = end + 1;
  }
  return faults;
}

// Gives the offset at which the definition ends, which is a later line when its value spans lines.
function checkLine(source: string, start: number): { end: number; expected?: string } {
  const blankEnd = matchEnd(BLANK, source, start);
  if (blankEnd !== undefined) return { end: blankEnd };
  const lineEnd = matchEnd(REST, source, start) ?? source.length;
  const valueStart = matchEnd(DEFINITION, source, start);
  if (valueStart === undefined) return { end: lineEnd, expected: "NAME=value" };
  const mark = source[valueStart] ?? "";
  if (!["'", '"', "`"].includes(mark)) {
    // The parser takes "#" for a comment wherever it stands, and would cut `PASSWORD=a#b` to "a".
    const definition = source.slice(start, lineEnd).replace(/\s#.*$/, "");
    return definition.includes("#")
      ? { end: lineEnd, expected: 'quotes around a value with "#"' }
      : { end: lineEnd };
  }
  const close = source.indexOf(mark, valueStart + 1);
  if (close === -1) return { end: lineEnd, expected: `a closing ${mark}` };
  const end = matchEnd(BLANK, source, close + 1);
  if (end !== undefined) return { end };
  return {
    end: matchEnd(REST, source, close + 1) ?? source.length,
    expected: `nothing after the closing ${mark}`,
  };
}

function matchEnd(pattern: RegExp, source: string, start: number): number | undefined {
  pattern.lastIndex = start;
  return pattern.test(source) ? pattern.lastIndex : undefined;
}
