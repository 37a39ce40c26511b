import type { AnyNode, ModuleDeclaration, Node, Pattern, Statement } from "acorn";

/** The declaration in a statement, exported or not; null when it is none. */
export function declarationOf(statement: Statement | ModuleDeclaration): AnyNode | null {
  if (statement.type === "ExportDefaultDeclaration") return statement.declaration;
  if (statement.type === "ExportNamedDeclaration") return statement.declaration ?? null;
  return statement;
}

/** The variables that a destructuring pattern declares. */
export function namesOf(pattern: Pattern): string[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name];
    case "ObjectPattern":
      return pattern.properties.flatMap((one) => namesOf(one.type === "Property" ? one.value : one.argument));
    case "ArrayPattern":
      return pattern.elements.flatMap((one) => (one === null ? [] : namesOf(one)));
    case "AssignmentPattern":
      return namesOf(pattern.left);
    case "RestElement":
      return namesOf(pattern.argument);
    default:
      return [];
  }
}

/** The nodes directly below one. */
export function childrenOf(node: AnyNode): AnyNode[] {
  const values: unknown[] = Object.values(node).flat();
  return values.filter((value): value is AnyNode => isNode(value));
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
