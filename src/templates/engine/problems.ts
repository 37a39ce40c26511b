/** A place in a template; both count from 0. */
export interface Place {
  readonly lineno: number;
  readonly colno: number;
}

/** What is wrong with a template, or has failed in it, and where. */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  /** Path to show of the template, such as "templates/list.html". */
  readonly template: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1. */
  readonly column: number;
  /** What is wrong, without the place. */
  readonly problem: string;

  constructor(problem: string, template: string, { lineno, colno }: Place, options?: { cause?: unknown }) {
    super(`${template}:${lineno + 1}:${colno + 1}: ${problem}`, options);
    this.problem = problem;
    this.template = template;
    this.line = lineno + 1;
    this.column = colno + 1;
  }
}
