import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeScratchFolder } from "../scratch.ts";

/** A folder of its own for a test, removed at the end. */
export class LogFolder implements Disposable {
  readonly path = makeScratchFolder("log");

  /** The path of a file in it. */
  at(name: string): string {
    return join(this.path, name);
  }

  read(name: string): string {
    return readFileSync(this.at(name), "utf8");
  }

  write(name: string, text: string): void {
    writeFileSync(this.at(name), text);
  }

  /** Names and contents of all files. */
  files(): Record<string, string> {
    return Object.fromEntries(
      readdirSync(this.path)
        .toSorted()
        .map((name) => [name, this.read(name)]),
    );
  }

  /** The JSON lines of a file, as objects. */
  lines(name: string): Record<string, unknown>[] {
    return parseLines(this.read(name));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** JSON lines as objects; throws when one is torn or the last has no newline. */
export function parseLines(text: string): Record<string, unknown>[] {
  if (text !== "" && !text.endsWith("\n")) throw new Error("The last line is torn");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line): Record<string, unknown> => JSON.parse(line));
}
