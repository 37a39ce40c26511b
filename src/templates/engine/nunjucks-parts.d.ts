declare module "nunjucks/src/lexer.js" {
  /** Cuts a template into tokens. */
  export function lex(source: string): unknown;
}
declare module "nunjucks/src/nodes.js" {
  export interface Node {
    readonly lineno: number;
    readonly colno: number;
    readonly children: Node[];
  }
  type NodeClass = new (line: number, column: number, ...fields: unknown[]) => Node;
  const nodes: {
    readonly Array: NodeClass;
    readonly Node: { extend(name: string, properties: { readonly fields: readonly string[] }): NodeClass };
  };
  export default nodes;
}
declare module "nunjucks/src/parser.js" {
  import type { Node } from "nunjucks/src/nodes.js";
  interface Token {
    readonly type: string;
    readonly lineno: number;
    readonly colno: number;
  }
  export class Parser {
    constructor(tokens: unknown);
    extensions: readonly object[];
    nextToken(): Token;
    peekToken(): Token;
    skip(type: string): boolean;
    fail(message: string, line?: number, column?: number): never;
    parseExpression(): Node;
    parseAggregate(): Node | null;
    parseAsRoot(): unknown;
  }
}
declare module "nunjucks/src/filters.js" {
  const filters: Readonly<Record<string, (...args: unknown[]) => unknown>>;
  export default filters;
}
declare module "nunjucks/src/runtime.js" {
  /** Text that is markup already, and isn't escaped. */
  export class SafeString {
    constructor(text: string);
    readonly val: string;
    readonly length: number;
  }
}
