declare module "nunjucks/src/parser.js" {
  export function parse(source: string, tags: readonly object[], options: object): unknown;
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
