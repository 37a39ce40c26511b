import { EventEmitter } from "node:events";
import { expect, test } from "bun:test";
import { askNewPassword, HiddenPrompt, type PromptInput } from "../../../src/cli/terminal/prompts.ts";

/** A terminal of a test: notes its mode, and what is written to it. */
class Terminal extends EventEmitter implements PromptInput {
  readonly isTTY = true;
  readonly modes: boolean[] = [];
  written = "";

  readonly output = { write: (text: string) => (this.written += text) };

  setRawMode(isRaw: boolean): void {
    this.modes.push(isRaw);
  }

  resume(): void {}

  pause(): void {}

  type(...chunks: (string | Uint8Array)[]): void {
    for (const chunk of chunks) this.emit("data", typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  }
}

async function ask(...chunks: (string | Uint8Array)[]): Promise<string> {
  const terminal = new Terminal();
  using prompt = new HiddenPrompt({ input: terminal, output: terminal.output });
  const answer = prompt.ask("Password: ");
  terminal.type(...chunks);
  const line = await answer;
  expect(terminal.written).toBe("Password: \n");
  return line;
}

test.each([
  ["a line", ["secret\r"], "secret"],
  ["keys one by one", ["s", "e", "c", "\n"], "sec"],
  ["backspace", ["secrex\u007ft\r"], "secret"],
  ["the other backspace", ["ab\b\b\bc\r"], "c"],
  ["a backspace after a letter of several characters", ["a👩‍👩‍👧\u007fb\r"], "ab"],
  ["Ctrl-U", ["wrong\u0015right\r"], "right"],
  ["arrows and other keys", ["a\u001b[D\u001b[1;5Cb\u001bOPc\t\r"], "abc"],
  ["nothing", ["\r"], ""],
])("ask() returns what is typed with %s", async (_what, chunks, expected) => {
  expect(await ask(...chunks)).toBe(expected);
});

test("ask() puts a character together that comes in parts", async () => {
  const bytes = Buffer.from("é\r");
  expect(await ask(bytes.subarray(0, 1), bytes.subarray(1))).toBe("é");
});

test("askNewPassword() asks twice, also of lines that were pasted at once, and restores the terminal", async () => {
  for (const pasted of ["secret\rsecret\r", "secret\r\nsecret\r\n", "secret\nsecret\n"]) {
    const terminal = new Terminal();
    const answer = askNewPassword({ input: terminal, output: terminal.output });
    terminal.type(pasted);
    // oxlint-disable-next-line no-await-in-loop -- one after another
    expect(await answer).toBe("secret");
    expect(terminal.written).toBe("New password: \nThe same again: \n");
    expect(terminal.modes).toEqual([true, false]);
    expect(terminal.listenerCount("data")).toBe(0);
  }
});

test.each([
  ["the two differ", "one\rother\r", "differ"],
  ["of Ctrl-C", "secret\u0003", "Cancelled"],
  ["of Ctrl-D", "secret\rsec\u0004", "Cancelled"],
])("askNewPassword() throws because %s, and restores the terminal", async (_why, typed, message) => {
  const terminal = new Terminal();
  const answer = askNewPassword({ input: terminal, output: terminal.output });
  terminal.type(typed);
  const error: unknown = await answer.catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: expect.stringContaining(message) });
  expect(terminal.modes).toEqual([true, false]);
});

test("ask() throws when the terminal goes away", async () => {
  const terminal = new Terminal();
  using prompt = new HiddenPrompt({ input: terminal, output: terminal.output });
  const answer = prompt.ask("Password: ").catch((thrown: unknown) => thrown);
  terminal.emit("end");
  expect(await answer).toMatchObject({ code: "prompt_cancelled" });
});
