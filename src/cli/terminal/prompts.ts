import { createInterface } from "node:readline/promises";
import type { AppError } from "../../errors/errors.ts";
import { fail } from "../../errors/codes.ts";

/** A terminal as keys come from it: `process.stdin`, or a stream of a test. */
export interface PromptInput {
  readonly isTTY?: boolean | undefined;
  setRawMode?(isRaw: boolean): unknown;
  on(event: "data", listener: (chunk: Uint8Array | string) => void): unknown;
  on(event: "end" | "close", listener: () => void): unknown;
  off(event: string, listener: (chunk: Uint8Array | string) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

export interface HiddenPromptOptions {
  readonly input: PromptInput;
  readonly output: { write(text: string): unknown };
}

const ENTER = /[\r\n]/;
const CANCEL = new Set(["\u0003", "\u0004"]); // Ctrl-C, Ctrl-D
const BACKSPACE = new Set(["\u007f", "\b"]);
const CLEAR = "\u0015"; // Ctrl-U
/** Arrows and other keys, as a terminal sends them. */
// oxlint-disable-next-line no-control-regex -- that is how they begin
const ESCAPE_SEQUENCE = /\u001b(?:\[[0-9;]*[ -/]*[@-~]|O[A-Z]|[^\r\n])?/gu;
const LETTERS = new Intl.Segmenter();

/**
 * Asks a yes-or-no question on the terminal; anything but "y" or "yes" is no, Ctrl+C and Ctrl+D too.
 *
 * @throws AppError confirmation_required where nobody can answer: `--yes` says yes beforehand
 */
export async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw fail("confirmation_required", `Cannot ask "${question}" without a terminal: add --yes`);
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "AbortError") throw error;
    process.stderr.write("\n");
    return false;
  } finally {
    terminal.close();
  }
}

/** Reads lines from a terminal without showing them. Dispose of it to give the terminal back as it was. */
export class HiddenPrompt implements Disposable {
  readonly #input: PromptInput;
  readonly #output: HiddenPromptOptions["output"];
  readonly #decoder = new TextDecoder();
  /** Typed ahead, such as a pasted second line. */
  #typed = "";
  #hasEnded = false;
  #wake: () => void = () => {};

  constructor({ input, output }: HiddenPromptOptions) {
    this.#input = input;
    this.#output = output;
    input.setRawMode?.(true);
    input.on("data", this.#onData);
    input.on("end", this.#onEnd);
    input.on("close", this.#onEnd);
    input.resume();
  }

  /** Returns what is typed up to Enter. @throws AppError prompt_cancelled for Ctrl-C, Ctrl-D or a closed terminal */
  async ask(question: string): Promise<string> {
    this.#output.write(question);
    let line = "";
    try {
      for (;;) {
        for (const key of this.#takeKeys()) {
          if (CANCEL.has(key)) throw cancelled();
          if (ENTER.test(key)) return line;
          line = edit(line, key);
        }
        if (this.#hasEnded) throw cancelled();
        // oxlint-disable-next-line no-await-in-loop -- one key after another
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      // Nothing typed was echoed, the line end neither.
      this.#output.write("\n");
    }
  }

  [Symbol.dispose](): void {
    this.#input.setRawMode?.(false);
    this.#input.off("data", this.#onData);
    this.#input.off("end", this.#onEnd);
    this.#input.off("close", this.#onEnd);
    this.#input.pause();
  }

  readonly #onData = (chunk: Uint8Array | string): void => {
    this.#typed += typeof chunk === "string" ? chunk : this.#decoder.decode(chunk, { stream: true });
    this.#wake();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#wake();
  };

  /** Takes the keys that have come, up to an Enter; what follows it is for the next question. */
  *#takeKeys(): Generator<string> {
    while (this.#typed !== "") {
      const end = this.#typed.search(ENTER);
      const line = end === -1 ? this.#typed : this.#typed.slice(0, end + 1);
      this.#typed = this.#typed.slice(line.length);
      // Pasted from elsewhere, a line can end with both.
      if (line.endsWith("\r") && this.#typed.startsWith("\n")) this.#typed = this.#typed.slice(1);
      yield* line.replaceAll(ESCAPE_SEQUENCE, "");
    }
  }
}

/** Asks for a new password twice. @throws AppError validation_error when they differ, prompt_cancelled */
export async function askNewPassword(options: HiddenPromptOptions): Promise<string> {
  using prompt = new HiddenPrompt(options);
  const password = await prompt.ask("New password: ");
  const repeated = await prompt.ask("The same again: ");
  if (password === repeated) return password;
  throw fail("validation_error", "Cannot set the password: the two differ");
}

function edit(line: string, key: string): string {
  if (key === CLEAR) return "";
  if (!BACKSPACE.has(key)) return key < " " ? line : line + key;
  const last = [...LETTERS.segment(line)].at(-1);
  return line.slice(0, last?.index ?? 0);
}

function cancelled(): AppError {
  return fail("prompt_cancelled", "Cancelled: nothing has changed");
}
