/**
 * Puts two instances of the executable under mixed load for as long as asked, breaks something every few seconds, compares
 * what clients were told with what is there, and whether memory grows. Prints a table to standard error and JSON to standard
 * output, and ends with 1 where anything is wrong.
 *
 *   bun run soak --minutes 30 [--database postgres] [--clients 4] [--program dist/xcore] > soak.json
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { audit, type Finding } from "./audit.ts";
import { Faults } from "./faults.ts";
import { Follower } from "./follower.ts";
import { Ledger } from "./ledger.ts";
import { Load } from "./load.ts";
import { fitGrowth, type Growth, type Sample, takeSample } from "./memory.ts";
import { RudeClients } from "./rude-clients.ts";
import { DATABASES, type DatabaseKind, Site } from "./site.ts";
import { toReport } from "./report.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "5" },
    database: { type: "string", default: "postgres" },
    clients: { type: "string", default: "4" },
    program: { type: "string", default: "dist/xcore" },
  },
});
const minutes = Number(options.minutes);
if (!(minutes > 0)) throw new TypeError(`Cannot run for "${options.minutes}" minutes: give a number`);
if (!DATABASES.includes(options.database as DatabaseKind))
  throw new TypeError(`Cannot use "${options.database}": choose ${DATABASES.join(", ")}`);

const CALM_MS = 3000; // between two faults
const REST_MS = 1000; // before memory is looked at: what is garbage goes meanwhile
const WARM_UP_MINUTES = Math.min(10, minutes / 3);
/** A shorter time tells nothing of memory. */
const JUDGED_MINUTES = 10;
const GROWTH = 0.1;
const DESCRIPTORS = 20;

await using site = await Site.start(options.database as DatabaseKind, resolve(options.program));
const ledger = new Ledger();
const load = await Load.start(site, ledger, Number(options.clients));
const follower = new Follower(load.admin);
using rude = new RudeClients();
const faults = new Faults(site, load);
const startedAt = performance.now();
const samples: Sample[] = [];
for (let turn = 0; toMinute() < minutes; turn += 1) {
  await faults.next();
  await Bun.sleep(CALM_MS);
  rude.come(site.instances[turn % 2] ?? site.steady, await load.admin.token());
  await rest();
}
const tookMinutes = toMinute();
await load.stop();
await Bun.sleep(REST_MS);
const findings = await audit(site, { ledger, load, windows: faults.windows, follower });
follower.stop();
findings.push(checkForgotten(), ...checkGrowth());
const { json, text } = toReport({
  options,
  tookMinutes,
  ledger,
  faults,
  findings,
  samples,
  growth: fit(),
  disk: site.disk,
  rude,
});
process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
process.stderr.write(text);
process.exitCode = findings.every(({ wrong }) => wrong.length === 0) ? 0 : 1;

function toMinute(): number {
  return (performance.now() - startedAt) / 60_000;
}

/** Keeps clients waiting, and looks at the instance that is never ended. */
async function rest(): Promise<void> {
  await load.gate.close();
  await Bun.sleep(REST_MS);
  samples.push(await takeSample(site.steady.pid, toMinute()));
  load.gate.open();
}

function fit(): { readonly memory: Growth; readonly descriptors: Growth; readonly minutes: number } | null {
  const warm = samples.filter(({ minute }) => minute >= WARM_UP_MINUTES);
  const [first, last] = [warm[0], warm.at(-1)];
  if (first === undefined || last === undefined || first === last) return null;
  return {
    memory: fitGrowth(warm, ({ mb }) => mb),
    descriptors: fitGrowth(warm, ({ descriptors }) => descriptors),
    minutes: last.minute - first.minute,
  };
}

function checkGrowth(): Finding[] {
  const growth = fit();
  const isJudged = growth !== null && growth.minutes >= JUDGED_MINUTES;
  const checked = isJudged ? samples.length : 0;
  const isLarge = isJudged && growth.memory.share > GROWTH;
  const isLeaking = isJudged && growth.descriptors.to - growth.descriptors.from > DESCRIPTORS;
  return [
    {
      invariant: `memory is flat within ${GROWTH * 100} % after the warm-up`,
      checked,
      wrong: isLarge ? [`memory grew by ${(growth.memory.share * 100).toFixed(1)} %`] : [],
    },
    {
      invariant: "no descriptors are left behind",
      checked,
      wrong: isLeaking
        ? [
            `there were ${growth.descriptors.from.toFixed(0)} descriptors, and ${growth.descriptors.to.toFixed(0)} at the end`,
          ]
        : [],
    },
  ];
}

function checkForgotten(): Finding {
  const count = rude.countForgotten();
  const wrong = count === 0 ? [] : [`${count} connections that nobody uses are open`];
  return { invariant: "half-open connections are closed", checked: rude.count, wrong };
}
