import { Writable } from "node:stream";
import type { TestLogLine } from "../sdk/testing.ts";

/**
 * Keeps the lines of the log for a test to read. Errors are shown as they come: a test sees a status 500 and no
 * reason.
 */
export class TestLog extends Writable {
  readonly #lines: TestLogLine[] = [];
  readonly #show: (text: string) => void;
  #rest = "";
  /** Whether errors are shown. */
  isShown = false;

  constructor(show: (text: string) => void) {
    super({ decodeStrings: false });
    this.#show = show;
  }

  /** What plugins have logged, and what was logged of them. */
  get lines(): readonly TestLogLine[] {
    return this.#lines;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    const lines = `${this.#rest}${String(chunk)}`.split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(JSON.parse(line) as TestLogLine);
    done();
  }

  #take(line: TestLogLine): void {
    const isRequest = "duration_ms" in line && line.msg === "request";
    if (typeof line.plugin !== "string" || isRequest) return;
    this.#lines.push(line);
    if (this.isShown && (line.level === "error" || line.level === "fatal")) this.#show(describeLine(line));
  }
}

function describeLine({ plugin, msg, err }: TestLogLine): string {
  const { stack = "", message = "" } = (err ?? {}) as { stack?: string; message?: string };
  const reason = stack === "" ? message : stack;
  return `${plugin}: ${msg}${reason === "" ? "" : `\n${reason}`}`;
}
