import { appendFileSync } from "node:fs";
import type { Load } from "./load.ts";

/** The middle value; the mean of the middle two of an even number. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low = 0, high = low] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (low + high) / 2;
}

/** Two decimals: "0.85". */
export function toRatio(value: number): string {
  return value.toFixed(2);
}

/** Milliseconds with one decimal. */
export function toMs(value: number): string {
  return `${value.toFixed(1)} ms`;
}

/** Microseconds with one decimal. */
export function toUs(value: number): string {
  return `${value.toFixed(1)} µs`;
}

/** A number a second: "12,345". */
export function toRate(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** How rounds of one contender went beside those of another: rate, ratio, processor time, ratio; medians. */
export function compareLoads(loads: readonly Load[], base: readonly Load[]): string[] {
  const toRatioOf = (pick: (load: Load) => number): string =>
    toRatio(median(loads.map((load, round) => pick(load) / pick(base[round] ?? load))));
  return [
    toRate(median(loads.map(({ rate }) => rate))),
    toRatioOf(({ rate }) => rate),
    toUs(median(loads.map(({ processorUs }) => processorUs))),
    toRatioOf(({ processorUs }) => processorUs),
  ];
}

/** A table of a scenario. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Names the file in which `bench/run.ts` reads the tables of a scenario, one as JSON a line. */
export const TABLES_FILE = "BENCH_TABLES";

/** Prints a Markdown table, and keeps it for whoever runs the scenario. */
export function printTable(head: Table["head"], rows: Table["rows"]): void {
  console.log(toMarkdown({ head, rows }));
  const file = process.env[TABLES_FILE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ head, rows } satisfies Table)}\n`);
}

/** A table as Markdown has it. */
export function toMarkdown({ head, rows }: Table): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
