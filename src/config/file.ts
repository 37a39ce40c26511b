import { parseJsonDocument, type Position } from "./json/document.ts";
import { formatKeyPath, isJsonObject, type KeyPath, startsWithPath } from "./json/values.ts";
import type { Layer } from "./diagnosis.ts";
import { fillPlaceholders } from "./placeholders.ts";
import type { ConfigProblem } from "./problems.ts";
import { readTextFile } from "../files/text.ts";
import type { Variables } from "./variables.ts";

/** What `config.json` gives. */
export interface ConfigFile {
  readonly exists: boolean;
  /** `undefined` when there is no file, or none that can be used. */
  readonly layer: Layer | undefined;
  readonly problems: readonly ConfigProblem[];
  /** Where a variable with the name of a secret was put in. */
  readonly secretPaths: readonly KeyPath[];
}

export interface ConfigFileOptions {
  /** The file as problems call it. */
  name: string;
  /** Set when the file was asked for, and must exist. */
  isRequired: boolean;
  /** What placeholders are replaced by. */
  variables: Variables;
  /** Taken for its content. @default what is in it */
  text?: string | undefined;
}

/** Reads `config.json` with its placeholders replaced, and never throws. */
export function readConfigFile(file: string, options: ConfigFileOptions): ConfigFile {
  const { name, isRequired, variables, text } = options;
  const content = text === undefined ? readTextFile(file) : ({ state: "read", text } as const);
  if (content.state === "missing") {
    const problem = createFileProblem(name, "a file", "nothing", `no such file: ${file}`);
    return { exists: false, layer: undefined, problems: isRequired ? [problem] : [], secretPaths: [] };
  }
  if (content.state === "unreadable") {
    const { expected, found } = content;
    const message = `expected ${expected}, found ${found}`;
    const problems = [createFileProblem(name, expected, found, message)];
    return { exists: true, layer: undefined, problems, secretPaths: [] };
  }
  return { exists: true, ...parseConfig(content.text, name, variables) };
}

function parseConfig(text: string, name: string, variables: Variables): Omit<ConfigFile, "exists"> {
  const document = parseJsonDocument(text);
  const toSource = ({ line, column }: Position) => ({
    source: `${name}:${line}:${column}`,
    where: `line ${line}`,
  });
  const problems: ConfigProblem[] = document.faults.map(({ path, position, ...words }) => ({
    path: formatKeyPath(path),
    ...toSource(position),
    ...words,
    ...(path.length === 0 && { where: `line ${position.line}, column ${position.column}` }),
  }));
  if (!isJsonObject(document.value)) {
    if (problems.length === 0) problems.push(createShapeProblem(document.value, name));
    return { layer: undefined, problems, secretPaths: [] };
  }
  const { value, faults, secretPaths } = fillPlaceholders(document.value, variables);
  for (const { path, ...words } of faults) {
    problems.push({ path: formatKeyPath(path), ...toSource(document.positionOf(path)), ...words });
  }
  const layer: Layer = {
    values: isJsonObject(value) ? value : {},
    originOf: (path, part) => ({
      ...toSource(document.positionOf(path, part)),
      isSecret: secretPaths.some((secret) => startsWithPath(path, secret)),
    }),
  };
  return { layer, problems, secretPaths };
}

function createShapeProblem(value: unknown, name: string): ConfigProblem {
  const found =
    value === undefined
      ? "nothing"
      : Array.isArray(value)
        ? "an array"
        : value === null
          ? "null"
          : `a ${typeof value}`;
  const message = `expected an object, found ${found}; the smallest configuration is {}`;
  return createFileProblem(name, "an object", found, message);
}

function createFileProblem(name: string, expected: string, found: string, message: string): ConfigProblem {
  return { path: "", source: name, where: name, expected, found, message };
}
