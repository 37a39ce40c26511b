import type { Finding } from "./audit.ts";
import type { Faults } from "./faults.ts";
import type { Ledger, Outcome } from "./ledger.ts";
import type { Growth, Sample } from "./memory.ts";
import type { RudeClients } from "./rude-clients.ts";

const SHOWN = 20; // of each invariant

export interface Soaked {
  readonly options: Readonly<Record<string, unknown>>;
  readonly tookMinutes: number;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly findings: readonly Finding[];
  readonly samples: readonly Sample[];
  readonly growth: { readonly memory: Growth; readonly descriptors: Growth; readonly minutes: number } | null;
  readonly disk: string | null;
  readonly rude: RudeClients;
}

/** What a soak has come to, for programs and for people. */
export function toReport(soaked: Soaked): { readonly json: object; readonly text: string } {
  const { ledger, faults, findings, samples, growth } = soaked;
  const inflicted = countBy(faults.windows.map(({ fault }) => fault));
  const codes = countBy(
    ledger.failures.map(({ status, code }) => (status === null ? "no answer" : `${status} ${code}`)),
  );
  const total: Record<Outcome, number> = { acknowledged: 0, unknown: 0, refused: 0 };
  for (const counts of ledger.counts.values())
    for (const outcome of Object.keys(total) as Outcome[]) total[outcome] += counts[outcome];
  const skipped = soaked.disk === null ? ["disk full: no file system may be mounted here"] : [];
  const json = {
    ok: findings.every(({ wrong }) => wrong.length === 0),
    options: soaked.options,
    minutes: soaked.tookMinutes,
    requests: { total, by_kind: Object.fromEntries(ledger.counts) },
    faults: Object.fromEntries(inflicted),
    windows: faults.windows,
    skipped,
    failures: Object.fromEntries(codes),
    slowest_answer_ms: ledger.slowestMs,
    slowest_healing_ms: faults.slowestHealingMs,
    rude_connections: soaked.rude.count,
    growth,
    samples,
    findings: findings.map((finding) => ({
      ...finding,
      wrong: finding.wrong.slice(0, SHOWN),
      wrong_total: finding.wrong.length,
    })),
  };
  const rows: string[][] = [
    ["requests acknowledged / unknown / refused", Object.values(total).join(" / ")],
    ...[...inflicted].map(([name, times]) => [name, `${times} times`]),
    ...skipped.map((what) => [what, "skipped"]),
    ...[...codes].map(([name, times]) => [`failed: ${name}`, `${times} times`]),
    ["connections of slow, half-open and rude clients", String(soaked.rude.count)],
    ["slowest answer", `${(ledger.slowestMs / 1000).toFixed(1)} s`],
    ["slowest healing", `${(faults.slowestHealingMs / 1000).toFixed(2)} s`],
    ["memory, fitted, after the warm-up", toGrowth(growth?.memory, " MB")],
    ["descriptors", toGrowth(growth?.descriptors, "")],
    ...findings.map(({ invariant, checked, wrong }) => [
      invariant,
      wrong.length > 0
        ? `NO: ${wrong.length} of ${checked}`
        : checked === 0
          ? "not judged"
          : `yes: ${checked}`,
    ]),
  ];
  const lines = [["what", "measured"], ["---", "---"], ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const wrong = findings.flatMap((finding) => finding.wrong.slice(0, SHOWN));
  return { json, text: `${[...lines, ...wrong].join("\n")}\n` };
}

function toGrowth(growth: Growth | undefined, unit: string): string {
  if (growth === undefined) return "too few samples";
  return `${growth.from.toFixed(0)} → ${growth.to.toFixed(0)}${unit} (${(growth.share * 100).toFixed(1)} %)`;
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
