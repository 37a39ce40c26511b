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

/** Prints a Markdown table. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [head, head.map(() => "---"), ...rows];
  console.log(lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n"));
}
