import { expect, test } from "bun:test";
import * as definitions from "../../src/metrics/definitions.ts";
import type { Definition } from "../../src/metrics/meter.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const file = new URL("../../deploy/grafana/xcore.json", import.meta.url);
const { panels, templating, annotations } = (await Bun.file(file).json()) as Dashboard;
const known = new Map(Object.values<Definition>(definitions).map((one) => [one.name, one]));
/** Of all lines, and those that the scraper adds. */
const COMMON = ["plugin", "hash", "worker", "instance", "le"];

const queries = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
  ...annotations.list.map(({ expr }) => ["annotation", expr] as const),
  ...templating.list.flatMap(({ name, query }) =>
    query.startsWith("label_values(") ? [[name, query] as const] : [],
  ),
];

/** The figures that a query names, each with the part of its name that says what of a histogram is meant. */
function namesIn(query: string): { definition: Definition | undefined; name: string; part: string }[] {
  return [...query.matchAll(/\b(?:xcore|process)_\w+/g)].map(([name]) => {
    const [, base = name, part = ""] = /^(\w+?)(_bucket|_sum|_count)?$/.exec(name) ?? [];
    return { definition: known.get(base), name, part };
  });
}

test.each(queries)("%s: %s names figures and labels that there are", (_, query) => {
  const named = namesIn(query);
  expect(named.length).toBeGreaterThan(0);
  for (const { definition, name, part } of named) {
    expect({ name, isKnown: definition !== undefined }).toEqual({ name, isKnown: true });
    expect({ name, isHistogram: part !== "" }).toEqual({
      name,
      isHistogram: definition?.type === "histogram",
    });
  }
  const labels = new Set([...COMMON, ...named.flatMap(({ definition }) => definition?.labels ?? [])]);
  const asked = [
    ...[...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
      list.split(",").map((one) => one.trim()),
    ),
    ...[...query.matchAll(/[{,](\w+)(?:=~|!=|=|!~)"/g)].map(([, label = ""]) => label),
  ];
  expect(asked.filter((label) => !labels.has(label))).toEqual([]);
});

test("the dashboard shows every figure that is measured", () => {
  const shown = new Set(
    queries.flatMap(([, query]) => namesIn(query).map(({ definition }) => definition?.name)),
  );
  expect([...known.keys()].filter((name) => !shown.has(name))).toEqual([]);
});

test("legends name labels that their query keeps, and no panel lies over another", () => {
  for (const { targets = [] } of panels) {
    for (const { expr, legendFormat } of targets) {
      const kept = /\bby \(([^)]*)\)/
        .exec(expr)?.[1]
        ?.split(",")
        .map((label) => label.trim());
      if (kept === undefined) continue;
      const legend = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
      expect(legend.filter((label) => !kept.includes(label))).toEqual([]);
    }
  }
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBe(24);
});
