/** A line of figures. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The lines of one kind. */
export interface ParsedFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (\S+)$/;
const PAIR = /([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;

/**
 * Reads the text format of Prometheus, version 0.0.4, and refuses whatever a scraper would, or would take for something
 * else: kinds that come twice, lines outside of their kind, the same labels twice, histograms that don't add up.
 *
 * @throws Error
 */
export function parseExposition(text: string): Map<string, ParsedFamily> {
  const families = new Map<string, ParsedFamily & { samples: Sample[] }>();
  if (!text.endsWith("\n")) throw new Error("The last line isn't ended");
  let help: { name: string; text: string } | null = null;
  let family: (ParsedFamily & { samples: Sample[] }) | null = null;
  for (const line of text.slice(0, -1).split("\n")) {
    const [, kind, name = "", rest = ""] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (kind === "HELP") help = { name, text: rest };
    else if (kind === "TYPE") {
      if (help?.name !== name || families.has(name)) throw new Error(`"${name}" isn't begun properly`);
      family = { name, help: help.text, type: rest, samples: [] };
      families.set(name, family);
    } else {
      const sample = parseSample(line);
      if (family === null || !namesOf(family).includes(sample.name)) throw new Error(`Stray line: ${line}`);
      family.samples.push(sample);
    }
  }
  for (const one of families.values()) check(one);
  return families;
}

function parseSample(line: string): Sample {
  const [, name, pairs, number] = LINE.exec(line) ?? [];
  if (name === undefined || pairs === undefined) throw new Error(`No line of figures: ${line}`);
  const labels: Record<string, string> = {};
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < pairs.length) {
    const [, label = "", raw = ""] = PAIR.exec(pairs) ?? [];
    if (label === "" || label in labels) throw new Error(`Labels can't be read: ${line}`);
    labels[label] = raw.replace(/\\(.)/g, (_, letter: string) => (letter === "n" ? "\n" : letter));
  }
  const value = Number(number);
  if (Number.isNaN(value)) throw new Error(`No number: ${line}`);
  return { name, labels, value };
}

function namesOf({ name, type }: ParsedFamily): string[] {
  return type === "histogram" ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

function check({ name, type, samples }: ParsedFamily): void {
  if (!["counter", "gauge", "histogram"].includes(type)) throw new Error(`${name} is of no type: ${type}`);
  if (samples.length === 0) throw new Error(`${name} has no line`);
  const keys = samples.map((sample) => keyOf(sample.name, sample.labels));
  if (new Set(keys).size !== keys.length) throw new Error(`${name} has a line twice`);
  if (type !== "gauge" && samples.some(({ value }) => value < 0)) throw new Error(`${name} is below zero`);
  if (type !== "histogram") return;
  const groups = Object.groupBy(samples, ({ labels }) => keyOf(name, labels, "le"));
  for (const group of Object.values(groups)) {
    const buckets = (group ?? []).filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels["le"]?.replace("+Inf", "Infinity")));
    const count = group?.find((sample) => sample.name === `${name}_count`)?.value;
    const isAscending = bounds.every((bound, index) => index === 0 || bound > (bounds[index - 1] ?? 0));
    const isGrowing = buckets.every(({ value }, index) => value >= (buckets[index - 1]?.value ?? 0));
    const isWhole = bounds.at(-1) === Infinity && buckets.at(-1)?.value === count;
    if (!isAscending || !isGrowing || !isWhole) throw new Error(`${name} doesn't add up`);
  }
}

/** What tells a line from others; those of a histogram go together without the label of their bound. */
function keyOf(name: string, labels: Readonly<Record<string, string>>, without = ""): string {
  const entries = Object.entries(labels).filter(([label]) => label !== without);
  return JSON.stringify([name, entries.toSorted(([a], [b]) => (a < b ? -1 : 1))]);
}
