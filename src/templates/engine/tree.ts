import type { AstNode } from "./syntax.ts";

/** Names that the top of a template defines. */
export function findExports({ children }: AstNode): string[] {
  return children.flatMap((node) => definedBy(node).map(({ value }) => String(value)));
}

function definedBy(node: AstNode): AstNode[] {
  switch (node.typename) {
    case "Macro":
      return [node.name];
    case "Set":
      return node.targets.filter(({ typename }) => typename === "Symbol");
    case "Import":
      return [node.target];
    case "FromImport":
      return node.names.children.map((one) => (one.typename === "Pair" ? (one.value as AstNode) : one));
    case "If":
      return [...definedIn(node.body), ...definedInElse(elseOf(node))];
    default:
      return [];
  }
}

function definedInElse(node: AstNode | null): AstNode[] {
  return node === null ? [] : definedIn(node);
}

/** What stands behind the `else` of an `if` or a `for`; null where there is none. */
export function elseOf(node: AstNode): AstNode | null {
  return node["else_"];
}

function definedIn(node: AstNode): AstNode[] {
  return node.typename === "If" ? definedBy(node) : node.children.flatMap(definedBy);
}

/** Whether a node of a type stands anywhere below. */
export function contains(
  value: unknown,
  typename: string,
  test: (value: unknown) => boolean = () => true,
): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some((one) => contains(one, typename, test));
  const node = value as Partial<AstNode> & Record<string, unknown>;
  if (node.typename === undefined) return false;
  if (node.typename === typename && test(node.value)) return true;
  return Object.values(node).some((one) => contains(one, typename, test));
}

/** How deep parts may stand in each other, with the lists that hold them: whoever goes through them takes as much of the stack. */
const MAX_DEPTH = 2000;

/** @throws RangeError for what nobody writes by hand */
export function assertDepth(root: AstNode): void {
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MAX_DEPTH) throw new RangeError(`Its parts stand more than ${MAX_DEPTH} deep in each other`);
    level = level.flatMap(partsOf);
  }
}

function partsOf(value: unknown): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value;
  return (value as Partial<AstNode>).typename === undefined ? [] : Object.values(value);
}

/** How an expression reads in the template, as far as it is names. */
export function toShown({ typename, target, val, value }: AstNode): string {
  if (typename === "Slice") return "[:]";
  return typename === "LookupVal"
    ? `${toShown(target)}.${toShown(val)}`
    : typename === "FunCall"
      ? "()"
      : String(value);
}
