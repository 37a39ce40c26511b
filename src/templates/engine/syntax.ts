import { lex } from "nunjucks/src/lexer.js";
import nunjucks, { type Node } from "nunjucks/src/nodes.js";
import { Parser as NunjucksParser } from "nunjucks/src/parser.js";
import { TemplateError } from "./problems.ts";
import { assertDepth } from "./tree.ts";

/** A node of nunjucks' tree: which fields it has, its `typename` says. Lines and columns count from 0. */
export interface AstNode {
  readonly typename: string;
  readonly lineno: number;
  readonly colno: number;
  readonly children: AstNode[];
  readonly name: AstNode;
  readonly args: AstNode;
  readonly body: AstNode;
  readonly cond: AstNode;
  readonly else_: AstNode | null;
  readonly arr: AstNode;
  readonly target: AstNode;
  readonly targets: readonly AstNode[];
  readonly val: AstNode;
  readonly value: unknown;
  readonly left: AstNode;
  readonly right: AstNode;
  readonly expr: AstNode;
  readonly ops: readonly AstNode[];
  readonly type: string;
  readonly key: AstNode;
  readonly template: AstNode;
  readonly names: AstNode;
  readonly withContext: boolean | null;
  readonly ignoreMissing: boolean | null;
  readonly extName: string;
  readonly contentArgs: readonly AstNode[];
  /** Of a slice; null where nothing stands. */
  readonly start: AstNode | null;
  readonly stop: AstNode | null;
  readonly step: AstNode | null;
}

interface Token {
  readonly type: string;
  readonly value: string;
  readonly lineno: number;
  readonly colno: number;
}

interface Parser {
  nextToken(): Token;
  peekToken(): Token;
  skip(type: string): boolean;
  skipSymbol(name: string): boolean;
  skipValue(type: string, value: string): boolean;
  advanceAfterBlockEnd(name?: string): Token;
  parseExpression(): AstNode;
  parsePrimary(noPostfix?: boolean): AstNode;
  parseUntilBlocks(...names: string[]): AstNode;
  fail(message: string, line?: number, column?: number): never;
}

type NodeClass = new (line: number, column: number, ...fields: unknown[]) => AstNode;

interface NodeClasses {
  readonly NodeList: NodeClass;
  readonly Pair: NodeClass;
  readonly KeywordArgs: NodeClass;
  readonly CallExtension: new (tag: object, property: string, args: AstNode, bodies: AstNode[]) => AstNode;
}

/** Parses a tag that nunjucks doesn't know. */
export interface TagParser {
  readonly tags: readonly string[];
  parse(parser: Parser, nodes: NodeClasses): AstNode;
}

const END = "block-end";
const OPERATOR = "operator";
const COMMA = "comma";

/** `{% component "card" with title="..." content="..." %}`, with commas or without; a body between the block's tags. */
const component: TagParser = {
  tags: ["component", "componentblock"],
  parse(parser, nodes) {
    const tag = parser.nextToken();
    const name = parser.parsePrimary();
    const values = parser.skipSymbol("with") ? parseValues(parser, nodes) : emptyList(nodes, tag);
    parser.advanceAfterBlockEnd(tag.value);
    const bodies: AstNode[] = [];
    if (tag.value === "componentblock") {
      bodies.push(parser.parseUntilBlocks("endcomponentblock"));
      parser.advanceAfterBlockEnd();
    }
    return toTag(nodes, "component", tag, { args: [name, values], bodies });
  },
};

/** `{% props title, color="neutral" %}`: what a component takes, with what it is where nothing is given. */
const props: TagParser = {
  tags: ["props"],
  parse(parser, nodes) {
    const tag = parser.nextToken();
    const declared = emptyList(nodes, tag);
    while (parser.peekToken().type !== END) {
      const name = parser.parsePrimary(true);
      if (name.typename !== "Symbol")
        parser.fail("expected the name of a parameter", name.lineno, name.colno);
      const fallback = parser.skipValue(OPERATOR, "=") ? parser.parseExpression() : null;
      declared.children.push(new nodes.Pair(name.lineno, name.colno, name, fallback));
      if (!parser.skip(COMMA)) break;
    }
    parser.advanceAfterBlockEnd(tag.value);
    return toTag(nodes, "props", tag, { args: [declared], bodies: [] });
  },
};

/** `{% with total=a + b %}...{% endwith %}`, as Jinja has it. */
const scoped: TagParser = {
  tags: ["with"],
  parse(parser, nodes) {
    const tag = parser.nextToken();
    const values = parseValues(parser, nodes);
    parser.advanceAfterBlockEnd(tag.value);
    const body = parser.parseUntilBlocks("endwith");
    parser.advanceAfterBlockEnd();
    return toTag(nodes, "with", tag, { args: [values], bodies: [body] });
  },
};

/** `{% do list.append(1) %}`: Jinja's extension for what has no output. */
const evaluated: TagParser = {
  tags: ["do"],
  parse(parser, nodes) {
    const tag = parser.nextToken();
    const expression = parser.parseExpression();
    parser.advanceAfterBlockEnd(tag.value);
    return toTag(nodes, "do", tag, { args: [expression], bodies: [] });
  },
};

const TAGS = [component, props, scoped, evaluated];
const [OPEN, CLOSE, COLON] = ["left-bracket", "right-bracket", "colon"];
const Slice = nunjucks.Node.extend("Slice", { fields: ["start", "stop", "step"] });

/** Knows `items[1:3]` and `items[::-1]` beside what nunjucks does, and a comma behind the last of a list. */
class TemplateParser extends NunjucksParser {
  override parseAggregate(): Node | null {
    if (this.peekToken().type !== OPEN) return super.parseAggregate();
    const { lineno, colno } = this.nextToken();
    const list = new nunjucks.Array(lineno, colno);
    while (!this.skip(CLOSE)) {
      list.children.push(this.#parseItem());
      if (!this.skip(COMMA) && this.peekToken().type !== CLOSE)
        this.fail("expected a comma, or the end of the list", lineno, colno);
    }
    return list;
  }

  #parseItem(): Node {
    const { lineno, colno, type } = this.peekToken();
    const first = type === COLON ? null : this.parseExpression();
    if (!this.skip(COLON)) return first as Node; // at a colon it was skipped
    const parseBound = () => ([COLON, CLOSE].includes(this.peekToken().type) ? null : this.parseExpression());
    const second = parseBound();
    return new Slice(lineno, colno, first, second, this.skip(COLON) ? parseBound() : null);
  }
}

/**
 * Parses a template in Jinja2's syntax.
 *
 * @throws TemplateError with line and column
 */
export function parseTemplate(source: string, name: string): AstNode {
  try {
    const parser = new TemplateParser(lex(source));
    parser.extensions = TAGS;
    const root = parser.parseAsRoot() as AstNode;
    assertDepth(root);
    return root;
  } catch (error) {
    if (error instanceof RangeError) throw error; // it stands too deep
    const { message, lineno, colno } = error as Error & { lineno?: number; colno?: number };
    if (lineno === undefined) {
      // What is opened and never closed: nunjucks looks for more where there is nothing.
      const lines = source.split("\n");
      const at = { lineno: lines.length - 1, colno: lines.at(-1)?.length ?? 0 };
      throw new TemplateError(
        "Cannot read the template: a tag or a bracket is opened and not closed",
        name,
        at,
      );
    }
    throw new TemplateError(`Cannot read the template: ${message}`, name, {
      lineno: lineno - 1,
      colno: (colno ?? 1) - 1,
    });
  }
}

function parseValues(parser: Parser, nodes: NodeClasses): AstNode {
  const start = parser.peekToken();
  const values = new nodes.KeywordArgs(start.lineno, start.colno);
  while (parser.peekToken().type !== END) {
    const name = parser.parsePrimary(true);
    if (name.typename !== "Symbol" || !parser.skipValue(OPERATOR, "="))
      parser.fail('expected name=value, such as title="Hello"', name.lineno, name.colno);
    values.children.push(new nodes.Pair(name.lineno, name.colno, name, parser.parseExpression()));
    parser.skip(COMMA);
  }
  return values;
}

function emptyList(nodes: NodeClasses, { lineno, colno }: Token): AstNode {
  return new nodes.KeywordArgs(lineno, colno);
}

function toTag(
  nodes: NodeClasses,
  name: string,
  { lineno, colno }: Token,
  { args, bodies }: { readonly args: readonly AstNode[]; readonly bodies: AstNode[] },
): AstNode {
  const list = new nodes.NodeList(lineno, colno, args);
  return Object.assign(new nodes.CallExtension({ __name: name }, name, list, bodies), { lineno, colno });
}
