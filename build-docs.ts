import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { createProgram } from "./src/cli/program.ts";
import { describeExpectation } from "./src/config/expectation.ts";
import { formatKeyPath } from "./src/config/json/values.ts";
import { type ConfigKey, configKeys } from "./src/config/schema-node.ts";

/**
 * The documents, and parts of documents, that are made from the code: the keys of config.json, the commands, the
 * operations of the HTTP API, and what plugins import. `bun run docs` writes them; a test compares them.
 */

const DOCS = join(import.meta.dir, "docs");
const CONFIG_TABLE = /\| key \| value \| default \|(?:.*\n)(?:\|.*\n)+/;
/** Of what a plugin imports, by the name that it imports from. */
const MODULES: Readonly<Record<string, string>> = {
  xcore: "src/sdk/xcore.ts",
  "xcore/schema": "src/sdk/schema.ts",
  "xcore/testing": "src/sdk/testing.ts",
};

/** Returns the text of each of these documents as it is to be, by the names of their files. */
export async function makeDocuments(): Promise<ReadonlyMap<string, string>> {
  const configuration = await Bun.file(join(DOCS, "configuration.md")).text();
  return new Map([
    ["configuration.md", configuration.replace(CONFIG_TABLE, () => `${toConfigKeyTable()}\n`)],
    ["cli.md", await toCommandReference()],
    ["api.md", await toApiReference()],
    ["xcore.md", await toModuleReference()],
  ]);
}

/** The table of `docs/configuration.md`: every key with what it accepts, its default and what it does. */
export function toConfigKeyTable(): string {
  const head = ["| key | value | default | what it does |", "|---|---|---|---|"];
  return [...head, ...configKeys().map(toConfigRow)].join("\n");
}

function toConfigRow({ path, node }: ConfigKey): string {
  const value = node.items
    ? `an array, each item ${describeExpectation(node.items)}`
    : describeExpectation(node);
  const initial = node.default === undefined ? "" : `\`${JSON.stringify(node.default)}\``;
  return toRow([`\`${formatKeyPath(path)}\``, value, initial, node.description ?? ""]);
}

async function toCommandReference(): Promise<string> {
  const program = await createProgram(
    toContext(() => {}),
    ["--help"],
  );
  const commands = program.commands.filter((one) =>
    program.createHelp().visibleCommands(program).includes(one),
  );
  return `# Commands

\`xcore\` alone is \`xcore serve\`. Each command takes these options too:

${toTable(
  ["option", "what it does"],
  program
    .createHelp()
    .visibleOptions(program)
    .map((one) => [`\`${one.flags}\``, one.description]),
)}

The exit code is 0 when all is done, 1 when something failed, and 2 for a command line that can't be read.

${commands.map((command) => toCommandSection(command, "xcore", 2)).join("\n\n")}
`;
}

/** A command, and those below it. */
function toCommandSection(command: Command, parent: string, level: number): string {
  const help = command.createHelp();
  const name = `${parent} ${command.name()}`;
  const options = command.options.filter(({ hidden }) => !hidden);
  const given = [
    ...command.registeredArguments.map((one) => [
      `\`${help.argumentTerm(one)}\``,
      help.argumentDescription(one),
    ]),
    ...options.map((one) => [`\`${one.flags}\``, help.optionDescription(one)]),
  ];
  const examples = readExamples(command);
  const usage = `${name} ${command.usage()}`.replace("[options] [command]", "<command>");
  return [
    `${"#".repeat(level)} ${name}`,
    `${command.description()}.`,
    `\`\`\`\n${usage.trim()}\n\`\`\``,
    given.length === 0 ? "" : toTable(["argument or option", "what it is"], given),
    examples === "" ? "" : `For example:\n\n\`\`\`\n${examples}\n\`\`\``,
    ...command.commands.map((one) => toCommandSection(one, name, level + 1)),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

/** What its help ends with. */
function readExamples(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => void (text += part) });
  command.outputHelp();
  const [, examples = ""] = text.split("\nExamples:\n");
  return examples.replaceAll(/^ {2}\$ /gm, "").trim();
}

interface Operation {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
    readonly schema: Schema;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { schema?: Schema }>> }>
  >;
}

interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly format?: string;
  readonly $ref?: string;
}

async function toApiReference(): Promise<string> {
  const { paths } = await readOpenApi();
  const operations = Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        path,
        method: method.toUpperCase(),
        operation,
      })),
    )
    .toSorted((a, b) => a.path.localeCompare(b.path, "en") || a.method.localeCompare(b.method, "en"));
  const groups = Map.groupBy(
    operations,
    ({ operation, path }) => operation.tags?.[0] ?? path.split("/")[1] ?? "",
  );
  const sections = [...groups].map(
    ([tag, members]) => `## ${tag}\n\n${members.map(toOperationSection).join("\n\n")}`,
  );
  return `# The HTTP API

What a server without plugins answers; \`/openapi.json\` of each server has all of it with its plugins', in every detail, and \`/docs\` lets you
try it. Errors are those of [errors.md](errors.md); whose token or key is sent how, [accounts.md](accounts.md) says. Lists take \`page\`,
\`per_page\`, \`sort\`, \`total\` and \`after\`.

${sections.join("\n\n")}
`;
}

async function readOpenApi(): Promise<{ paths: Record<string, Record<string, Operation>> }> {
  const folder = await mkdtemp(join(tmpdir(), "xcore-docs-"));
  try {
    let text = "";
    const context = { ...toContext((line) => void (text += line)), cwd: folder };
    await (await createProgram(context, ["openapi"])).parseAsync(["openapi"], { from: "user" });
    return JSON.parse(text) as { paths: Record<string, Record<string, Operation>> };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const LIST_PARAMETERS = new Set(["page", "per_page", "sort", "total", "after"]);

function toOperationSection({
  path,
  method,
  operation,
}: {
  readonly path: string;
  readonly method: string;
  readonly operation: Operation;
}): string {
  const { summary = "", description = "", parameters = [], requestBody, responses } = operation;
  const rows = parameters
    .filter(({ name }) => !LIST_PARAMETERS.has(name))
    .map((one) => [`\`${one.name}\` (${one.in})`, toType(one.schema), toNote(one.required, one)]);
  const [body] = Object.entries(requestBody?.content ?? {});
  const { properties = {}, required = [] } = body?.[1].schema ?? {};
  const fields = Object.entries(properties).map(([name, schema]) => [
    `\`${name}\` (body)`,
    toType(schema),
    toNote(required.includes(name), {
      schema,
      ...(schema.description !== undefined && { description: schema.description }),
    }),
  ]);
  const all = [...rows, ...fields];
  const [status, answer] = Object.entries(responses).find(([code]) => /^[23]/.test(code)) ?? [];
  const [type, sent] = Object.entries(answer?.content ?? {})[0] ?? [];
  const shape = sent?.schema === undefined ? (type ?? "nothing") : toShape(sent.schema);
  return [
    `### ${method} ${path.replace(/(?<=.)\/$/, "")}`,
    [summary && `${summary}.`, description].filter((text) => text !== "").join(" "),
    all.length === 0 ? "" : toTable(["what is sent", "type", "what it is"], all),
    status === undefined ? "" : `Answers ${status}: ${shape}`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function toNote(
  isRequired = false,
  { schema, description }: { schema: Schema; description?: string },
): string {
  const initial = schema.default === undefined ? "" : `default \`${JSON.stringify(schema.default)}\``;
  return [isRequired ? "required" : "", initial, description ?? schema.description ?? ""]
    .filter((part) => part !== "")
    .join("; ");
}

/** The type of a value in a few words. */
function toType(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${JSON.stringify(one)}\``).join(", ");
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(toType))].join(" or ");
  if (schema.items !== undefined) return `array of ${toType(schema.items)}`;
  const types = [schema.type ?? (schema.properties === undefined ? "any" : "object")].flat().join(" or ");
  return schema.format === undefined ? types : `${types} (${schema.format})`;
}

/** What an answer is made of, two levels deep. */
function toShape(schema: Schema, depth = 0): string {
  if (schema.items !== undefined) return `[${toShape(schema.items, depth + 1)}]`;
  const names = Object.entries(schema.properties ?? {});
  if (names.length === 0 || depth > 2) return toType(schema);
  const fields = names.map(([name, field]) => {
    const inner = field.items ?? field;
    const isNested = inner.properties !== undefined && depth < 2;
    return isNested ? `${name}: ${toShape(field, depth + 1)}` : name;
  });
  const text = `{ ${fields.join(", ")} }`;
  return depth === 0 ? `\`${text}\`` : text;
}

/** Something that a module exports, as its source declares it. */
interface Exported {
  readonly name: string;
  readonly isType: boolean;
  readonly code: string;
}

async function toModuleReference(): Promise<string> {
  const parts: string[] = [];
  for (const [name, file] of Object.entries(MODULES)) {
    const all = new Map<string, Exported>();
    await readExports(join(import.meta.dir, file), all, null);
    const values = [...all.values()].filter(({ isType }) => !isType);
    const types = [...all.values()].filter(({ isType }) => isType);
    parts.push(`## ${name}`);
    if (values.length > 0) parts.push(`### Values of ${name}`, ...values.map(toExportedSection));
    if (types.length > 0) parts.push(`### Types of ${name}`, ...types.map(toExportedSection));
  }
  return `# What plugins import

As the sources of xcore declare it; an editor that \`xcore types\` has set up shows the same. How it is used, the other documents say: see the
[table of contents](README.md).

${parts.join("\n\n")}
`;
}

function toExportedSection({ name, code }: Exported): string {
  return `#### ${name}\n\n\`\`\`ts\n${code}\n\`\`\``;
}

const DECLARATION =
  /^((?:\/\*\*(?:[^*]|\*(?!\/))*\*\/\n)?)((?:\/\/.*\n)*)export (?:declare )?(?:abstract )?(const|let|function|async function|class|interface|type|enum) (\w+)/gm;
const RE_EXPORT = /^export (type )?(\*|\{[^}]*\}) from "(\.[^"]+)";/gm;

/** Reads what a file exports, and what it passes on. @param wanted names to take, null for all */
async function readExports(
  file: string,
  found: Map<string, Exported>,
  wanted: ReadonlyMap<string, string> | null,
): Promise<void> {
  const source = await Bun.file(file).text();
  for (const match of source.matchAll(DECLARATION)) {
    const [, doc = "", notes = "", kind = "", own = ""] = match;
    const name = wanted === null ? own : wanted.get(own);
    if (name === undefined || found.has(name)) continue;
    const start = match.index + doc.length + notes.length;
    const signature = toSignature(source.slice(start), kind).replaceAll(/^ *\/\/ oxlint.*\n/gm, "");
    const code = doc + signature;
    found.set(name, { name, isType: kind === "interface" || kind === "type", code });
  }
  for (const [, , names = "", from = ""] of source.matchAll(RE_EXPORT)) {
    const asked = names === "*" ? null : readNames(names);
    if (wanted === null) await readExports(join(file, "..", from), found, asked);
  }
}

/** Reads "{ type A, b as c }": names there, and here. */
function readNames(list: string): ReadonlyMap<string, string> {
  const names = list
    .slice(1, -1)
    .split(",")
    .map((one) => one.trim().replace(/^type /, ""));
  return new Map(
    names
      .filter((one) => one !== "")
      .map((one) => {
        const [there = "", here = there] = one.split(" as ");
        return [there, here] as const;
      }),
  );
}

/** Returns a declaration: an interface or a type as a whole, of what runs only how it is called. */
function toSignature(source: string, kind: string): string {
  const isWhole = kind === "interface" || kind === "type";
  let depth = 0;
  for (let at = 0; at < source.length; at += 1) {
    const character = source[at] ?? "";
    if (source.startsWith("/*", at)) at = source.indexOf("*/", at) + 1;
    else if (source.startsWith("//", at)) at = source.indexOf("\n", at);
    else if (character === '"' || character === "`") at = source.indexOf(character, at + 1);
    else if ("([{".includes(character)) {
      // The body of a function or a class begins where nothing is open.
      const isBody =
        character === "{" &&
        depth === 0 &&
        /function|class/.test(kind) &&
        /[)>\w]\s*$/.test(source.slice(0, at));
      if (isBody)
        return `${source.slice(0, at).trim()}${kind === "class" ? " {}" : ";"}`.replace(
          /^export (?=(?:async )?function)/,
          "export declare ",
        );
      depth += 1;
    } else if (")]}".includes(character)) {
      depth -= 1;
      if (depth === 0 && kind === "interface" && character === "}") return source.slice(0, at + 1);
    } else if (character === ";" && depth === 0) return source.slice(0, at + 1);
    else if (character === "=" && depth === 0 && !isWhole && source[at + 1] !== ">") {
      return `${source.slice(0, at).trim()};`.replace("export const", "export declare const");
    }
  }
  return source;
}

function toContext(print: (line: string) => void) {
  return { version: "0.1.0", cwd: import.meta.dir, env: {}, print, warn: () => {} };
}

function toTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [toRow(head), toRow(head.map(() => "---")), ...rows.map(toRow)].join("\n");
}

function toRow(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, " ")).join(" | ")} |`;
}

if (import.meta.main) {
  for (const [name, text] of await makeDocuments()) await Bun.write(join(DOCS, name), text);
  process.exit(0);
}
