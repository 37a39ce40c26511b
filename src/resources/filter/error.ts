/** A filter that can't be used: where, and what was expected there. */
export class FilterError extends Error {
  /** The index of the character, from 0. */
  readonly position: number;

  /**
   * @param expected such as `a value such as "text"`
   * @param hint what was meant, as `toHint` says it
   */
  constructor(position: number, expected: string, found?: string, hint = "") {
    const instead = found === undefined ? "" : `, found ${found}${hint}`;
    super(`Expected ${expected} at character ${position + 1}${instead}`);
    this.name = "FilterError";
    this.position = position;
  }
}
