import { Parser, type Program } from "acorn";

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
 * Parses a module in TypeScript or JavaScript, with JSX or without, and runs none of it.
 *
 * @throws an AggregateError, a BuildMessage or a SyntaxError for what is no code, a RangeError where it is nested too deep
 */
export function parseProgram(code: string, loader: "ts" | "tsx" | "js" | "jsx"): Program {
  const javascript = new Bun.Transpiler({ loader, target: "bun", ...WITHOUT_MACROS }).transformSync(code);
  return ProgramParser.parse(javascript, { ecmaVersion: "latest", sourceType: "module" });
}
