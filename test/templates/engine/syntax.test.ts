import { expect, test } from "bun:test";
import { render } from "../rendering.ts";

const items = [
  { name: "Ada", price: 3, tags: ["a"] },
  { name: "<Bob>", price: 1, tags: [] },
  { name: "Cy", price: 2, tags: ["b", "c"] },
];

for (const [template, expected] of [
  // values
  ["{{ items[1].name }} {{ items[-1].name }} {{ items[0]['name'] }}", "&lt;Bob&gt; Cy Ada"],
  ["{{ true }} {{ none }} {{ 1.5 }} {{ 'a' ~ 1 }} {{ [1, 'b'] }}", "true  1.5 a1 [1,&quot;b&quot;]"],
  ["{{ 7 // 2 }} {{ -7 % 3 }} {{ 2 ** 3 }} {{ 7 / 2 }} {{ 1 + 2 * 3 }}", "3 2 8 3.5 7"],
  [
    "{{ '%.2f EUR' % 3.14159 }} {{ '%s: %d' | format('n', 4.2) }} {{ '{} {x}'.format(1, x=2) }}",
    "3.14 EUR n: 4 1 2",
  ],
  ["{{ 1 < 2 < 3 }} {{ 3 < 2 < 1 }} {{ '1' == 1 }} {{ none is none }}", "true false false true"],
  ["{{ 'x' in 'xyz' }} {{ 2 not in [1] }} {{ 'a' in {'a': 1} }}", "true true true"],
  [
    "{{ 'yes' if items else 'no' }}{{ 'no' if [] }}{{ [] or 'empty' }}{{ 0 and 1 }}{{ not {} }}",
    "yesempty0true",
  ],
  [
    "{{ 'a-b'.upper() }} {{ ' x '.strip() }} {{ 'a,b'.split(',') | join('/') }} {{ 'aa'.replace('a', 'b') }}",
    "A-B x a/b bb",
  ],
  ["{% for key, value in {'a': 1, 'b': 2}.items() %}{{ key }}{{ value }}{% endfor %}", "a1b2"],
  ["{{ {'a': 1}.get('b', 'none') }} {{ {'a': 1} | items | length }}", "none 1"],
  // statements
  [
    "{% for item in items if item.price > 1 %}{{ loop.index }}/{{ loop.length }}{{ item.name }} {% endfor %}",
    "1/2Ada 2/2Cy ",
  ],
  [
    "{% for item in [] %}x{% else %}nothing{% endfor %}{% for x in items if x.price > 9 %}{% else %} at all{% endfor %}",
    "nothing at all",
  ],
  [
    "{% for item in items %}{% for tag in item.tags %}{{ loop.depth }}{{ tag }}{% endfor %}{{ '.' if not loop.last }}{% endfor %}",
    "2a..2b2c",
  ],
  [
    "{% for x in [1, 1, 2] %}{{ 'n' if loop.changed(x) }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "naanb".replace("aanb", "abna"),
  ],
  ["{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}", "15151"],
  [
    "{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
    "6",
  ],
  ["{% set a, b = [1, 2] %}{{ b }}{{ a }}{% set c %}<b>{{ '<' }}</b>{% endset %}{{ c }}", "21<b>&lt;</b>"],
  ["{% if x is defined %}x{% elif items %}items{% else %}none{% endif %}", "items"],
  ["{% with a=1, b=2 %}{{ a + b }}{% endwith %}", "3"],
  [
    "{% macro m(a, b='d') %}{{ a }}{{ b }}{{ caller() if caller }};{% endmacro %}{{ m(1) }}{{ m(a='<', b=2) }}{% call m(3) %}<i>{% endcall %}",
    "1d;&lt;2;3d<i>;",
  ],
  ["{% macro m() %}{{ varargs | join(',') }}{{ kwargs.x }}{% endmacro %}{{ m(1, 2, x=3) }}", "1,23"],
  ["{% filter upper %}<b>{{ '<x>' }}</b>{% endfilter %}", "<B>&LT;X&GT;</B>"],
  ["{% raw %}{{ x }}{% endraw %}{# a comment #}{%- if true -%} y {%- endif %}", "{{ x }}y"],
  ["{% do items.append({'name': 'D'}) %}{{ items | length }}", "4"],
  // filters and tests
  [
    "{{ items | map(attribute='name') | join(', ') }} {{ items | map(attribute='price') | sum }}",
    "Ada, &lt;Bob&gt;, Cy 6",
  ],
  [
    "{{ items | selectattr('price', 'gt', 1) | map(attribute='price') | list }} {{ items | rejectattr('tags') | length }}",
    "[3,2] 1",
  ],
  [
    "{{ items | sort(attribute='price') | map(attribute='price') | join }} {{ ['b', 'A'] | sort(reverse=true) | join }}",
    "123 bA",
  ],
  [
    "{% for group in items | groupby('price') %}{{ group.grouper }}{{ group.list | length }}{% endfor %}",
    "112131",
  ],
  [
    "{{ [3, 1, 2] | max }}{{ [3, 1, 2] | min }}{{ [1, 1] | unique | list }}{{ ['a', ''] | select | list | length }}",
    "31[1]1",
  ],
  ["{{ {'a': '</script>&'} | tojson }}", String.raw`{"a":"\u003c/script\u003e\u0026"}`],
  [
    "<a{{ {'href': '/x', 'title': '<', 'hidden': true, 'id': none} | xmlattr }}>",
    '<a href="/x" title="&lt;" hidden>',
  ],
  [
    "{{ 'see https://a.example/?x=1&y <b>' | urlize }}",
    'see <a href="https://a.example/?x=1&amp;y">https://a.example/?x=1&amp;y</a> &lt;b&gt;',
  ],
  [
    "{{ 'a long text' | truncate(length=6, end='..', leeway=0) }} {{ 1500 | filesizeformat }} {{ missing | default('d') }}",
    "a.. 1.5 kB d",
  ],
  [
    "{{ 3 is odd }}{{ 4 is divisibleby(2) }}{{ items is iterable }}{{ 'a' is string }}{{ missing is undefined }}{{ 1 is sameas(1) }}{{ none is none }}",
    "true".repeat(7),
  ],
  [
    "{{ '<b>' | safe }}{{ '<' | e }}{{ ('<' | e) | upper }}{{ ['<'] | join('<br>' | safe) }}",
    "<b>&lt;&LT;&lt;",
  ],
  // parts
  [
    "{{ 'abcdef'[1:3] }} {{ 'abcdef'[:2] }} {{ 'abcdef'[-2:] }} {{ 'abcdef'[:] }} {{ 'abcdef'[4:1] }}.",
    "bc ab ef abcdef .",
  ],
  [
    "{{ 'abcdef'[::-1] }} {{ 'abcdef'[::2] }} {{ 'abcdef'[4:1:-2] }} {{ 'abc'[-9:9] }} {{ 'abc'[9::-1] }}",
    "fedcba ace ec abc cba",
  ],
  [
    "{% for item in items[1:] %}{{ item.name }} {% endfor %}{{ (items | map(attribute='name') | list)[:1] }}",
    "&lt;Bob&gt; Cy [&quot;Ada&quot;]",
  ],
  ["{% set n = 1 %}{{ [1, 2, 3,][n:n + 1] }}{{ [[1, 2], [3]][0][1] }}{{ ('<b>' | safe)[:2] }}", "[2]2&lt;b"],
  // as in Jinja2
  [
    "{{ 'aaa' | replace('a', 'b', 2) }} {{ 'abc' | replace('', '.') }} {{ 'abc' | replace('', '.', 2) }} {{ 1.5 | replace('.', ',') }}",
    "bba .a.b.c. .a.bc 1,5",
  ],
  [
    "{{ '<i>x</i>' | safe | replace('x', '<script>') }} {{ '<x' | replace('x', '<b>' | safe) }}",
    "<i>&lt;script&gt;</i> &lt;<b>",
  ],
  [
    "{{ 'foo bar baz qux' | truncate(9) }} {{ 'foo bar baz qux' | truncate(9, True) }} {{ 'foo bar baz qux' | truncate(11) }} {{ 'foo bar baz qux' | truncate(11, False, '...', 0) }}",
    "foo... foo ba... foo bar baz qux foo bar...",
  ],
  ["{{ '<b>a</b> long text' | safe | truncate(10, True, '<', 0) }}", "<b>a</b> &lt;"],
  [
    "{{ '<p>a &amp; <b>b</b><!-- x -->  c</p>' | safe | striptags }} {{ '<<b>script>' | safe | striptags }}",
    "a &amp; b c &lt;script&gt;",
  ],
  [
    "{{ 'a<\nb' | nl2br }} {{ {'a': 1} | list }} {{ '  x ' | trim }} {{ ('<b> ' | safe) | trim }}",
    "a&lt;<br>\nb [&quot;a&quot;] x <b>",
  ],
] as const) {
  test(`a template renders ${template.slice(0, 100)}`, () => {
    expect(render(template, { items: [...items] })).toBe(expected);
  });
}

test("a template extends another, with what stands above", () => {
  const texts = {
    "base.html": "<{% block a %}A{% endblock %}|{% block b %}B{% endblock %}>",
    "middle.html": "{% extends 'base.html' %}{% block a %}M{{ super() }}{% endblock %}",
  };
  const page =
    "{% extends 'middle.html' %}ignored{% set x = 'X' %}{% block a %}{{ x }}{{ super() }}{% endblock %}{% block b %}{{ self.a() }}{% endblock %}";
  expect(render(page, {}, { texts })).toBe("<XMA|XMA>");
});

test("a template includes and imports others", () => {
  const texts = {
    "row.html": "{{ item }}{{ loop.index }} ",
    "forms.html": "{% macro field(name, type='text') %}<{{ type }} {{ name }}>{% endmacro %}",
  };
  expect(render("{% for item in ['a', 'b'] %}{% include 'row.html' %}{% endfor %}", {}, { texts })).toBe(
    "a1 b2 ",
  );
  expect(
    render("{% include ['none.html', 'row.html'] %}", { item: "x", loop: { index: 0 } }, { texts }),
  ).toBe("x0 ");
  expect(render("{% include 'none.html' ignore missing %}-", {}, { texts })).toBe("-");
  const imports = "{% import 'forms.html' as f %}{% from 'forms.html' import field as g %}";
  expect(render(`${imports}{{ f.field('a', type='b') }}{{ g('c') }}`, {}, { texts })).toBe("<b a><text c>");
});

test("a component gets what it is given, with commas or without, and the body of its block", () => {
  const texts = {
    "components/card.html":
      "{% props title, content='', color='none' %}[{{ title }}|{{ content }}|{{ color }}]",
  };
  const page = `{% component "card" with title="<T>" content="C" %}{% component "card" with title="T", color="c" %}{% componentblock "card" with title="T" %}<b>{{ x }}</b>{% endcomponentblock %}`;
  expect(render(page, { x: "<" }, { texts })).toBe("[&lt;T&gt;|C|none][T||c][T|<b>&lt;</b>|none]");
  // What the page is given is nothing to the component.
  expect(
    render(
      '{% component "mine" %}',
      { x: 1 },
      { texts: { "components/mine.html": "{{ x | default('free') }}" } },
    ),
  ).toBe("free");
});

test("filters and functions of a library's own are known to its templates", () => {
  const given = {
    filters: { euros: (amount: number, unit = "EUR") => `${amount} ${unit}` },
    globals: { twice: (n: number) => n * 2 },
  };
  expect(render("{{ twice(2) | euros }} {{ 1 | euros('<') }}", {}, given)).toBe("4 EUR 1 &lt;");
});

test("what isn't there is an error in development, and nothing otherwise", () => {
  for (const page of ["{{ user.nam }}", "{{ nam }}", "{% for x in nam %}{% endfor %}", "{{ nam | upper }}"]) {
    expect(() => render(page, { user: {} })).toThrow("isn't defined");
    expect(render(page, { user: {} }, { isStrict: false })).toBe("");
  }
});
