import { expect, spyOn, test } from "bun:test";
import { TemplateError } from "../../../src/templates/engine/problems.ts";
import { render, type Texts } from "../rendering.ts";

const texts: Texts = {
  "macros.html": "{% macro known(a) %}{{ a }}{% endmacro %}",
  "components/card.html": "{% props title, content='' %}{{ title }}{{ content }}",
  "a.html": "{% include 'b.html' %}",
  "b.html": "{% extends 'c.html' %}",
  "c.html": "x",
};

/** 4 MB, as `t`. */
const LONG =
  "{% set ns = namespace(t='x') %}{% for i in range(22) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{% set t = ns.t %}\n";

/** What can't be used, where, and what the error says. */
for (const [template, place, problem] of [
  ["a\n {{ x | uper }}", "2:9", 'There is no filter "uper" (did you mean "upper"?)'],
  ["{{ x is evn }}", "1:9", 'There is no test "evn" (did you mean "even"?)'],
  ["{{ foo(1) }}", "1:4", 'There is no function "foo"'],
  ["{{ url_fo('/') }}", "1:4", 'There is no function "url_fo"'],
  ["{% component 'crad' %}", "1:4", 'There is no component "crad"'],
  ["{% component 'card' with titel='T' %}", "1:4", 'has no parameter "titel": it has title, content'],
  ["{% component 'card' %}", "1:4", 'needs "title"'],
  ["{% include 'none.html' %}", "1:4", 'There is no template "none.html"'],
  ["{% extends 'none.html' %}", "1:4", 'There is no template "none.html"'],
  ["{% import 'none.html' as m %}", "1:4", 'There is no template "none.html"'],
  ["{% from 'macros.html' import other %}", "1:4", 'Cannot import "other"'],
  ["{% include 'page.html' %}", "1:4", "within itself: templates/page.html -> templates/page.html"],
  ["{% extends 'page.html' %}", "1:4", "within itself"],
  ["{% component '../page' %}", "1:4", "expected a path below templates/"],
  ["{% include '../secret.html' %}", "1:4", "expected a path below templates/"],
  ["{% include '/etc/passwd' %}", "1:4", "expected a path below templates/"],
  ["{% for x in xs %}{{ x }}", "1:25", "opened and not closed"],
  ["{{ x ", "1:6", "opened and not closed"],
  ["{% endif %}", "1:4", "unknown block tag: endif"],
  ["{% switch x %}{% case 1 %}{% endswitch %}", "1:4", "Cannot use switch"],
  [
    "{{ 'a' | truncate(lengt=3) }}",
    "1:19",
    'has no parameter "lengt": it has length, killwords, end, leeway',
  ],
  ["{% block a %}{% endblock %}{% block a %}{% endblock %}", "1:31", 'There is a block "a" already'],
  // what leads to code
  ["{{ range.constructor('return process')() }}", "1:10", 'Cannot use "constructor"'],
  ["{{ ''.__proto__ }}", "1:7", 'Cannot use "__proto__"'],
  ["{{ {'__proto__': 1} }}", "1:5", 'Cannot use "__proto__"'],
  ["{% set ns = namespace(prototype=1) %}", "1:23", 'Cannot use "prototype"'],
  ["{{ a;alert(1) }}", "1:4", 'Cannot use "a;alert" as a name'],
  ["{{ x\u2028 }}", "1:4", "as a name"],
  ["{% set x`=1 %}", "1:8", "as a name"],
  ["{{ r/a+/g }}", "1:4", "regular expression"],
  // far too deep
  [`{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`, "1:1", "too deep in each other"],
  [`{{ ${"1 + ".repeat(20_000)}1 }}`, "1:1", "too deep in each other"],
  [`{{ x${".a".repeat(20_000)} }}`, "1:1", "too deep in each other"],
  [`${"{% for x in [1] %}".repeat(5000)}${"{% endfor %}".repeat(5000)}`, "1:1", "too deep in each other"],
  [`${"{% if 1 %}".repeat(10_000)}${"{% endif %}".repeat(10_000)}`, "1:1", "too deep in each other"],
] as const) {
  test(`a template isn't loaded: ${template.slice(0, 60)}`, () => {
    const error = failureOf(() => render(template, {}, { texts }));
    expect(error.message).toStartWith(`templates/page.html:${place}: `);
    expect(error.message).toContain(problem);
  });
}

/** The same of what is known while it runs alone. */
for (const [template, place, problem] of [
  ["{{ ''['constr' ~ 'uctor'] }}", "1:6", 'Cannot read "constructor"'],
  ["{{ x | attr('constructor') }}", "1:8", 'Cannot read "constructor"'],
  ["{{ [x] | map(attribute='a.constructor') | list }}", "1:10", 'Cannot read "constructor"'],
  ["{{ x[['constructor']] }}", "1:5", "isn't defined"],
  ["{{ range['call'](1) }}", "1:17", "Cannot read"],
  ["{{ 'abc'[::0] }}", "1:10", "its step is 0"],
  ["{{ 'abc'['a':] }}", "1:10", "its bounds are whole numbers"],
  ["{{ 5[1:] }}", "1:6", "neither a text nor a list"],
  // far too much
  [
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "1:31",
    "have run 1000000 times",
  ],
  ["{% block a %}{{ self.a() }}{% endblock %}", "1:23", "without end"],
  [`${LONG}{{ t | replace("x", t) }}`, "2:8", "Cannot join texts"],
  [`${LONG}{{ t | replace("", t) }}`, "2:8", "Cannot join texts"],
  [`${LONG}{{ t.replace("x", t) }}`, "2:13", "Cannot join texts"],
  [`${LONG}{{ range(1000) | join(t) }}`, "2:9", "Cannot join texts"],
  [`${LONG}{{ t.join(range(1000)) }}`, "2:16", "Cannot join texts"],
  [`${LONG}{{ t.split("") | length }}`, "2:11", "more than 100000 items"],
  [`${LONG}{{ "%(t)s%(t)s%(t)s%(t)s%(t)s" | format(t=t) }}`, "2:34", "Cannot join texts"],
  [`${LONG}{{ "{0}{0}{0}{0}{0}".format(t) }}`, "2:28", "Cannot join texts"],
  [`${LONG}{{ t[:200000] | replace("x", "\\nx") | indent(100) }}`, "2:6", "Cannot join texts"],
  ["{{ 'x'.repeat(1000) }}", "1:14", "Cannot call repeat()"],
  ["{{ x.toString.name }}", "1:14", "Cannot read"],
  ["{% for i in range(1e12) %}{% endfor %}", "1:18", "Cannot make a range of 1000000000000 numbers"],
  ["{% for i in endless() %}{% endfor %}", "1:20", "more than 100000 items"],
  [
    "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
    "1:46",
    "have run 1000000 times",
  ],
  ["{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "1:20", "one uses itself without end"],
  ["{% set name = 'page.html' %}{% include name %}", "1:32", "one uses itself without end"],
  [
    "{% set ns = namespace(t='xxxxxxxx') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
    "1:66",
    "Cannot join texts",
  ],
  [
    "{% set ns = namespace(t=[1, 2]) %}{% for i in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %}",
    "1:62",
    "more than 100000 items",
  ],
  ["{% set name = '../x.html' %}{% include name %}", "1:32", "expected a path below templates/"],
  ["{% set name = 'gone.html' %}{% include name %}", "1:32", 'There is no template "gone.html"'],
  ["<a{{ {'href': ' javascript:alert(1)'} | xmlattr }}>", "1:41", "no address of the web"],
  ["<a{{ {'onclick': 'alert(1)'} | xmlattr }}>", "1:32", "no page of xcore runs scripts of attributes"],
  ["<a{{ {'a><script': 1} | xmlattr }}>", "1:25", "Cannot write the attribute"],
  ["<a{{ {'href': 'java\\tscript:alert(1)'} | xmlattr }}>", "1:42", "no address of the web"],
  ["<a{{ {'xlink:href': '\u0001JavaScript:alert(1)'} | xmlattr }}>", "1:47", "no address of the web"],
  ["{{ x.items }}{{ range }}", "1:5", "isn't defined"],
  ["{{ constructor }}", "1:4", '"constructor" isn\'t defined'],
  ["{{ toString }}", "1:4", '"toString" isn\'t defined'],
  ["{{ range(100000) | map('center', 100000) | join | length }}", "1:9", "Cannot join texts"],
  ["{{ [range(100000)] | map('map', 'center', 100000) | list }}", "1:10", "Cannot join texts"],
  ["{{ range(1000) | map('string') | map('slice', 100000) | list }}", "1:9", "Cannot join texts"],
  ["{{ range }}", "1:4", "Cannot show a function"],
] as const) {
  test(`a template fails: ${template.slice(0, 60)}`, () => {
    const globals = {
      *endless() {
        for (;;) yield 1;
      },
    };
    const error = failureOf(() => render(template, { x: {} }, { texts, globals }));
    expect(error.message).toStartWith(`templates/page.html:${place}: `);
    expect(error.message).toContain(problem);
  });
}

test("what takes too long ends, however seldom its loops have run", () => {
  let now = 0;
  const clock = spyOn(performance, "now").mockImplementation(() => now);
  try {
    const globals = { wait: () => void (now += 1000) };
    const { message } = failureOf(() =>
      render("{% for i in range(1000) %}{% do wait() %}{% endfor %}", {}, { globals }),
    );
    expect(message).toContain("longer than 10 seconds");
  } finally {
    clock.mockRestore();
  }
});

test("templates that each use the next one twice are checked once each", () => {
  const used = Array.from({ length: 60 }, (_, at) => [
    `d${at}.html`,
    `{% include 'd${at + 1}.html' %}`.repeat(2),
  ]);
  const all = { ...Object.fromEntries(used), "d60.html": "{{ 1 | attr('constructor') }}" };
  const { template } = failureOf(() => render("{% include 'd0.html' %}", {}, { texts: all }));
  expect(template).toBe("templates/d60.html");
});

test("lines are broken in a time that grows as the text does", () => {
  const startedAt = performance.now();
  expect(render("{{ x | wordwrap(5) | length }}", { x: `a${" ".repeat(300_000)}b c` })).toBe("300004");
  expect(performance.now() - startedAt).toBeLessThan(5000); // the square of it would be minutes
});

test("how many parts there are of a list is bounded, whatever says it", () => {
  expect(render("{{ [1] | slice('1000000000') | list | length }}")).toBe("100000");
  expect(render("{{ 'x' | int(2000000) }}")).toBe("2000000");
});

test("a circle over several templates is told with its way", () => {
  const circle = { ...texts, "c.html": "{% if x %}{% include 'a.html' %}{% endif %}" };
  const { message } = failureOf(() => render("", {}, { texts: circle }));
  expect(message).toContain("templates/a.html -> templates/b.html -> templates/c.html -> templates/a.html");
});

for (const value of [
  "<script>alert(1)</script>",
  '"><img src=x onerror=alert(1)>',
  "' onload='x",
  "{{ 7 * 7 }}",
  "{% include 'x' %}",
]) {
  test(`a value is shown as it is, and never run: ${value}`, () => {
    const page =
      '<p title="{{ value }}">{{ value }}</p>{% component "card" with title=value content=value %}{{ [value] | join }}{{ {"v": value} }}';
    const html = render(page, { value }, { texts });
    expect(html).not.toMatch(/<script|<img|49|' onload|"><\w/);
    expect(html.match(/<\w+/g)).toEqual(["<p"]);
  });
}

test("what a template throws has its own place, whoever calls it", () => {
  const { template, line, column } = failureOf(() =>
    render(
      "\n{% component 'bad' %}",
      {},
      { texts: { "components/bad.html": "\n\n  {{ 1 | attr('constructor') }}" } },
    ),
  );
  expect([template, line, column]).toEqual(["templates/components/bad.html", 3, 10]);
});

function failureOf(work: () => unknown): TemplateError {
  try {
    work();
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error("Nothing was thrown");
}
