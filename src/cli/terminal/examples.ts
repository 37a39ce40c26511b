/** Formats example command lines for the end of a command's help. */
export function toExamples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}
