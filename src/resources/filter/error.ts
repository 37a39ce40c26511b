/** A filter that can't be used: where, and what was expected there. */
export class FilterError extends Error {
  /** The index of the character, from 0. */
  readonly position: number;

  /** @param expected such as `a value such as "text"` */
  constructor(position: number, expected: string, found?: string) {
    const instead = found === undefined ? "" : `, found ${found}`;
    super(`Expected ${expected} at character ${position + 1}${instead}`);
    this.name = "FilterError";
    this.position = position;
  }
}
