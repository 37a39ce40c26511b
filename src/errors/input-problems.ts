import type { ValidationError } from "elysia";
import type { InputProblem } from "./app-error.ts";

interface JsonSchema {
  type?: string;
  const?: unknown;
  format?: string;
  anyOf?: JsonSchema[];
}

/** Lists what is wrong with a request, one problem per place, worded for the person who sent it. */
export function toInputProblems(error: ValidationError): InputProblem[] {
  // "property" is what Elysia says when a coerced value breaks a rule: it no longer knows the part.
  const part = error.type === "property" ? "" : `/${error.type}`;
  const problems = new Map<string, InputProblem>();
  for (const found of error.all) {
    if (!("path" in found) || problems.has(found.path)) continue;
    problems.set(found.path, { path: part + found.path, ...toWords(found) });
  }
  return [...problems.values()];
}

function toWords(found: { message?: string; value?: unknown; schema?: unknown }): Omit<InputProblem, "path"> {
  if (found.value === undefined) return { code: "required", message: "Required, but missing" };
  const branches = (found.schema as JsonSchema | undefined)?.anyOf;
  if (branches !== undefined) return { code: "type", message: `Expected ${describeUnion(branches)}` };
  return { code: "invalid", message: found.message ?? "Not valid" };
}

function describeUnion(branches: JsonSchema[]): string {
  if (branches.every((branch) => "const" in branch)) {
    return `one of ${branches.map((branch) => JSON.stringify(branch.const)).join(", ")}`;
  }
  // Elysia's coerced numbers, dates and booleans are unions of the type and its text form.
  const names = branches.map((branch) =>
    branch.type === "string" && branch.format !== undefined ? branch.format : (branch.type ?? "value"),
  );
  return [...new Set(names)].join(" or ");
}
