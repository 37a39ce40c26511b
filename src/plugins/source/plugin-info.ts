import { extname } from "node:path";
import { type Expression, Parser, type Program } from "acorn";
import { explainMacro, PluginError } from "../failure/failure.ts";

/** Bun has checked already that nothing is declared twice: acorn would take a square of the number of names for it. */
const ProgramParser = Parser.extend(
  (Base) =>
    class extends Base {
      declareName(): void {}
      checkLocalExport(): void {}
    },
);

// A macro would run here. Bun's types don't know `false`.
const WITHOUT_MACROS = { macro: false } as object;

/**
 * Returns the value of `export const PLUGIN_INFO = { … }` without running the file: what a plugin is called
 * and needs must be known before its first line runs.
 *
 * @param code TypeScript or JavaScript, with JSX or without
 * @param file path to show in errors, whose extension says which
 * @throws PluginError when the file can't be parsed, has no PLUGIN_INFO, or computes it
 */
export function readPluginInfo(code: string, file: string): unknown {
  const program = parseModule(code, file);
  const exported = findExportedName(program);
  for (const statement of program.body) {
    const isExport = statement.type === "ExportNamedDeclaration";
    const declaration = isExport ? statement.declaration : statement;
    if (declaration?.type !== "VariableDeclaration") continue;
    for (const { id, init } of declaration.declarations) {
      const isIt = id.type === "Identifier" && id.name === (isExport ? "PLUGIN_INFO" : exported);
      if (isIt && init) return toValue(init, file);
    }
  }
  throw new PluginError(
    "manifest",
    'Cannot find PLUGIN_INFO: add `export const PLUGIN_INFO = { name: "…", version: "1.0.0" };`, ' +
      "or make the plugin a folder with a plugin.json",
    { file },
  );
}

/** The variable that `export { info as PLUGIN_INFO }` exports, null when there is no such list. */
function findExportedName(program: Program): string | null {
  for (const statement of program.body) {
    if (statement.type !== "ExportNamedDeclaration" || statement.source) continue;
    for (const { local, exported } of statement.specifiers) {
      if (exported.type === "Identifier" && exported.name === "PLUGIN_INFO" && local.type === "Identifier")
        return local.name;
    }
  }
  return null;
}

function parseModule(code: string, file: string): Program {
  try {
    return parseProgram(code, loaderOf(file));
  } catch (error) {
    const mistake = error instanceof AggregateError ? (error.errors[0] as unknown) : error;
    const line = mistake instanceof BuildMessage ? (mistake.position?.line ?? null) : null;
    throw new PluginError(
      "manifest",
      explainMacro(mistake instanceof Error ? mistake.message : String(mistake)),
      {
        file,
        line,
      },
    );
  }
}

/** As the bundler takes it: in a `.ts`, `<T>` is a type. */
function loaderOf(file: string): "ts" | "tsx" | "js" | "jsx" {
  const extension = extname(file).slice(1);
  return extension === "ts" || extension === "js" || extension === "jsx" ? extension : "tsx";
}

function toValue(node: Expression, file: string): unknown {
  switch (node.type) {
    case "Literal":
      if ("regex" in node || "bigint" in node) break;
      return node.value;
    case "TemplateLiteral":
      if (node.expressions.length > 0) break;
      return node.quasis[0]?.value.cooked;
    case "UnaryExpression":
      if (node.operator === "-" && node.argument.type === "Literal") return -Number(node.argument.value);
      if (node.operator === "!" && node.argument.type === "Literal") return !node.argument.value; // minified booleans
      break;
    case "ArrayExpression":
      return node.elements.map((element) => {
        if (element === null || element.type === "SpreadElement") throw computed(file);
        return toValue(element, file);
      });
    case "ObjectExpression":
      return Object.fromEntries(
        node.properties.map((property) => {
          if (property.type === "SpreadElement" || property.computed) throw computed(file);
          const key = property.key.type === "Identifier" ? property.key.name : toValue(property.key, file);
          return [String(key), toValue(property.value, file)];
        }),
      );
    default:
      break;
  }
  throw computed(file);
}

function computed(file: string): PluginError {
  const message = "Cannot read PLUGIN_INFO: write it as a plain literal, it is read before the file runs";
  return new PluginError("manifest", message, { file });
}

/**
 * Parses a module in TypeScript or JavaScript, with JSX or without, and runs none of it.
 *
 * @throws an AggregateError, a BuildMessage or a SyntaxError for what is no code, a RangeError where it is nested too deep
 */
function parseProgram(code: string, loader: "ts" | "tsx" | "js" | "jsx"): Program {
  const javascript = new Bun.Transpiler({ loader, target: "bun", ...WITHOUT_MACROS }).transformSync(code);
  return ProgramParser.parse(javascript, { ecmaVersion: "latest", sourceType: "module" });
}
