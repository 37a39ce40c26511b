const PATIENCE_MS = 1000;

/** Lays rows out in columns for a terminal, the first row being the headings. */
export function toTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** "1 file", "2 files". */
export function toCount(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** Formats example command lines for the end of a command's help. */
export function toExamples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join("\n")}`;
}

/** Says on a terminal what is waited for, when it takes long; where nobody looks, nothing is said. */
export async function withWaitNotice<T>(
  notice: string,
  work: Promise<T>,
  warn: (text: string) => void,
): Promise<T> {
  if (!process.stderr.isTTY) return work;
  const timer = setTimeout(() => warn(notice), PATIENCE_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
