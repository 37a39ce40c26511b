import { Counter, type Definition } from "./meter.ts";
import type { Metrics } from "./metrics.ts";

/** What is read when somebody asks. */
export interface Reading {
  readonly definition: Definition;
  /** Whose it is. */
  readonly plugin: string;
  readonly hash: string;
  /** Of its labels. */
  readonly values: readonly string[];
  readonly value: number;
}

/** The lines of one kind, as processes tell each other of them: JSON. */
export interface Family extends Definition {
  readonly lines: readonly Line[];
}

interface Line {
  readonly plugin: string;
  readonly hash: string;
  readonly values: readonly string[];
  /** Of a histogram its sum. */
  readonly value: number;
  /** Of the buckets of a histogram. */
  readonly counts?: readonly number[];
}

/** The figures of one of the processes that answer together; `worker` is its number, null for the only one. */
export interface Told {
  readonly worker: number | null;
  readonly families: readonly Family[];
}

/** Of the text format of Prometheus, version 0.0.4. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Takes what was counted together with what is read now. */
export function toFamilies(metrics: Pick<Metrics, "all">, readings: readonly Reading[]): Family[] {
  const found = new Map<Definition, Line[]>();
  const add = (definition: Definition, line: Line): void => {
    const lines = found.get(definition);
    if (lines === undefined) found.set(definition, [line]);
    else lines.push(line);
  };
  for (const meter of metrics.all()) {
    const { plugin, hash } = meter;
    for (const [definition, all] of meter.series()) {
      for (const { values, figure } of all) {
        const told =
          figure instanceof Counter
            ? { value: figure.value }
            : { value: figure.sum, counts: [...figure.counts] };
        add(definition, { plugin, hash, values, ...told });
      }
    }
  }
  for (const { definition, ...line } of readings) add(definition, line);
  return [...found].map(([definition, lines]) => ({ ...definition, lines }));
}

/** Writes the figures of processes in the text format of Prometheus. */
export function writeExposition(told: readonly Told[]): string {
  const byName = new Map<string, { readonly family: Family; readonly lines: string[] }>();
  for (const { worker, families } of told) {
    const own = worker === null ? "" : `,worker="${worker}"`;
    for (const family of families) {
      const known = byName.get(family.name) ?? { family, lines: [] };
      byName.set(family.name, known);
      for (const line of family.lines) writeLine(known.lines, family, line, own);
    }
  }
  return [...byName.values()]
    .map(
      ({ family: { name, help, type }, lines }) =>
        `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${type}\n${lines.join("")}`,
    )
    .join("");
}

function writeLine(
  into: string[],
  { name, labels: names, buckets = [] }: Family,
  { plugin, hash, values, value, counts }: Line,
  own: string,
): void {
  const pairs = names.map((label, index) => `,${label}="${escape(values[index] ?? "")}"`).join("");
  const labels = `plugin="${escape(plugin)}",hash="${escape(hash)}"${pairs}${own}`;
  if (counts === undefined) {
    into.push(`${name}{${labels}} ${value}\n`);
    return;
  }
  let passed = 0;
  for (const [index, count] of counts.entries()) {
    passed += count;
    into.push(`${name}_bucket{${labels},le="${buckets[index] ?? "+Inf"}"} ${passed}\n`);
  }
  into.push(`${name}_sum{${labels}} ${value}\n`, `${name}_count{${labels}} ${passed}\n`);
}

function escape(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}
