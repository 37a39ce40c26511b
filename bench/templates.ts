/**
 * Pages that one process renders a second, each with xcore's layout and escaping: by xcore, and by nunjucks, which has
 * the same syntax. nunjucks gets the same pages, but for components, which it has as macros.
 *
 *   bun bench/templates.ts [--seconds 1] [--rounds 5]
 */
import { parseArgs } from "node:util";
import nunjucks from "nunjucks";
import { pino } from "pino";
import { Templates } from "../src/templates/templates.ts";
import { median, printTable, toMs, toRate, toRatio } from "./report.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "1" }, rounds: { type: "string", default: "5" } },
});

const rows = Array.from({ length: 100 }, (_, id) => ({
  id,
  name: `Customer <${id}>`,
  email: `customer${id}@example.com`,
  amount: id * 1.5,
  isActive: id % 2 === 0,
}));
const TABLE = `<table class="table"><thead><tr><th>#</th><th>Name</th><th>Email</th><th>Amount</th><th>State</th></tr></thead><tbody>
{% for row in rows %}<tr class="{{ 'odd' if loop.index % 2 else 'even' }}"><td>{{ loop.index }}</td><td><a href="/customers/{{ row.id }}">{{ row.name }}</a></td><td>{{ row.email }}</td><td>{{ row.amount | round(2) }}</td><td>{% if row.isActive %}active{% else %}gone{% endif %}</td></tr>
{% endfor %}</tbody></table>`;
const CARD = `<section class="card bg-base-100 shadow-sm"><div class="card-body">{% if title %}<h2 class="card-title">{{ title }}</h2>{% endif %}<div>{{ content }}</div></div></section>`;
const PAGES = {
  "a table of 100 rows": { own: TABLE, other: TABLE },
  "100 components": {
    own: '{% for row in rows %}{% component "card" with title=row.name content=row.email %}{% endfor %}',
    other: `{% macro card(title, content) %}${CARD}{% endmacro %}{% for row in rows %}{{ card(row.name, row.email) }}{% endfor %}`,
  },
} as const;
const LAYOUT = `<!doctype html><html><head><title>{{ title }}</title></head><body>{% block content %}{% endblock %}</body></html>`;

const templates = new Templates({
  directory: "/nonexistent",
  toDisplayPath: (file) => file,
  watches: false,
  log: pino({ level: "silent" }),
  appName: () => "bench",
  theme: () => "light",
  isDebug: () => false,
  basePath: () => "",
  globalsOf: () => ({}),
});
const wrapped = Object.entries(PAGES).map(
  ([, { own }], index) => [`${index}.html`, inLayout("xcore/layout.html", own)] as const,
);
const openedAt = performance.now();
const plugin = templates.forPlugin(
  { name: "bench", texts: new Map(wrapped), shown: "bench", globals: new Map(), filters: new Map() },
  "/bench",
);
await plugin.check();
const openMs = performance.now() - openedAt;

const lines: string[][] = [];
const request = new Request("http://localhost/bench");
for (const [index, [name, { other }]] of Object.entries(PAGES).entries()) {
  const page = await plugin.render(`${index}.html`, { title: "Bench", rows });
  const peer = new nunjucks.Environment(null, { autoescape: true });
  const compiled = new nunjucks.Template(inLayout("layout", other), peer);
  peer.getTemplate = ((
    _name: string,
    _eager: boolean,
    _parent: string,
    _missing: boolean,
    done: (error: null, template: unknown) => void,
  ) => done(null, layout)) as typeof peer.getTemplate;
  const layout = new nunjucks.Template(LAYOUT, peer, "layout", true);
  const own: number[] = [];
  const others: number[] = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    own.push(measure(() => page.toResponse(request)));
    others.push(measure(() => compiled.render({ title: "Bench", rows })));
  }
  lines.push([
    name,
    toRate(median(own)),
    toRate(median(others)),
    toRatio(median(own.map((rate, round) => rate / (others[round] ?? 1)))),
  ]);
}
printTable(["page", "xcore, a second", "nunjucks, a second", "ratio"], lines);
const styledAt = performance.now();
const path =
  /href="(\/static\/[^"]+css)"/.exec(
    await (await plugin.render("0.html", { title: "", rows })).toResponse(request).text(),
  )?.[1] ?? "";
const style = await templates.answerAsset(path.slice("/static/".length), request);
const { byteLength } = await style.arrayBuffer();
console.log(
  `\nloading the engine and checking the pages: ${toMs(openMs)}; the first stylesheet: ${toMs(performance.now() - styledAt)}, ${byteLength} bytes uncompressed`,
);
templates.close();

function inLayout(layout: string, content: string): string {
  return `{% extends "${layout}" %}{% block content %}${content}{% endblock %}`;
}

/** How often something is done in a second of processor time: the machine may do other things too. */
function measure(work: () => unknown): number {
  const until = performance.now() + Number(values.seconds) * 1000;
  const before = process.cpuUsage();
  let count = 0;
  while (performance.now() < until) {
    for (let index = 0; index < 50; index += 1) work();
    count += 50;
  }
  const { user, system } = process.cpuUsage(before);
  return count / ((user + system) / 1_000_000);
}
