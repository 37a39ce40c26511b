import { FetchError } from "../../failure/failure.ts";

const MAX_FILES = 5000;

/** What a plugin may still bring: so many bytes, and so many files. */
export class FetchBudget {
  readonly #maxBytes: number;
  readonly #advice: string;
  #bytes = 0;
  #files = 0;

  /** @param advice what to do about more bytes */
  constructor(maxBytes: number, advice = "if it is meant to be, raise plugins.fetch.size_limit") {
    this.#maxBytes = maxBytes;
    this.#advice = advice;
  }

  /**
   * Counts bytes that have come.
   *
   * @param subject what they are of, for the error: `"https://…/run.ts"`
   * @throws FetchError when they are too many
   */
  takeBytes(count: number, subject: string): void {
    this.#bytes += count;
    this.assertBytes(0, subject);
  }

  /** Says before they come whether bytes are too many. @throws FetchError when they are */
  assertBytes(count: number, subject: string): void {
    if (this.#bytes + count <= this.#maxBytes) return;
    throw new FetchError(`Cannot fetch ${subject}: more than ${this.#maxBytes} bytes came; ${this.#advice}`);
  }

  /** Counts a file, or a redirect to one. @throws FetchError when they are too many */
  takeFile(subject: string): void {
    this.#files += 1;
    if (this.#files <= MAX_FILES) return;
    throw new FetchError(
      `Cannot fetch ${subject}: the plugin has more than ${MAX_FILES} files and redirects; leave some out`,
    );
  }
}
