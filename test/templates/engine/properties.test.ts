import { expect } from "bun:test";
import { TemplateError } from "../../../src/templates/engine/problems.ts";
import { render } from "../rendering.ts";
import { anyText, fc, testProperty } from "../../properties.ts";

const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/);
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  anyText(),
  fc.date(),
  fc.constantFrom(undefined, Number.NaN, -0, 10n, new Map([["a", 1]]), new Set([1])),
);
const key = fc.oneof(
  name,
  anyText(20),
  fc.constantFrom(
    "constructor",
    "__proto__",
    "prototype",
    "__defineGetter__",
    "toString",
    "valueOf",
    "0",
    "-1",
    "length",
  ),
);
const filter = fc.constantFrom(
  "upper",
  "escape",
  "e",
  "trim",
  "length",
  "first",
  "last",
  "join",
  "sort",
  "reverse",
  "title",
  "striptags",
  "int",
  "float",
  "list",
  "tojson",
  "urlencode",
  "wordcount",
  "default('x')",
  "truncate(5)",
  "replace('a', 'b')",
  "batch(2)",
  "unique",
  "sum",
  "abs",
  "round",
);
const piece = fc.oneof(
  fc.constantFrom(
    "{{ x }}",
    "{{ x.a }}",
    "{{ x[k] }}",
    "{{ x | ",
    " }}",
    "{% if x %}",
    "{% endif %}",
    "{% for a in x %}",
    "{% endfor %}",
    "{% set y = x %}",
    "{# ",
    " #}",
    "{% block b %}",
    "{% endblock %}",
    "{% raw %}",
    "{% endraw %}",
    "{{ 'a' ~ x }}",
    "{{ x(1) }}",
    "{{ x.constructor }}",
    "{{ [x, {'a': x}] }}",
    "{{ x if x else k }}",
    "{{ x is ",
    "{{ -x + 1 }}",
    "{% macro m(a) %}",
    "{% endmacro %}",
  ),
  anyText(20),
);

testProperty("what a context holds is never markup, wherever a page shows it", [value], (shown) => {
  const page = attempt('<p title="{{ x }}">{{ x }}</p>', { x: shown });
  if (page === null) return;
  const [, attribute = "", text = "", rest] = /^<p title="([^"<>]*)">([^<>]*)<\/p>$/s.exec(page) ?? [];
  expect([rest, attribute]).toEqual([undefined, text]);
  if (typeof shown === "string") expect(unescape(text)).toBe(shown);
});

testProperty("no key of a context leads to code, however it is read", [value, key], (shown, wanted) => {
  const data = { x: shown, k: wanted };
  for (const page of ["{{ x[k] }}", "{{ x | attr(k) }}", "{% for a in x %}{{ a[k] }}{% endfor %}"]) {
    const text = attempt(page, data) ?? "";
    expect(text).not.toMatch(/\[native code\]|function |class /);
    if (/^(constructor|prototype|__\w+)$/.test(wanted))
      expect(attempt("{{ x[k] }}", { x: { a: 1 }, k: wanted })).toBeNull();
  }
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

testProperty("each filter takes any value, or says where it can't", [filter, value], (called, shown) => {
  const text = attempt(`{{ x | ${called} }}`, { x: shown }) ?? "";
  // JSON has quotes, as an attribute between single ones and a script take it.
  expect(text).not.toMatch(called === "tojson" ? /[<>']/ : /[<>"]/);
});

testProperty(
  "names that a context brings stand for nothing else",
  [fc.dictionary(name, anyText(20), { maxKeys: 4 })],
  (data) => {
    for (const [given, text] of Object.entries(data)) {
      const page = attempt(`{{ ${given} }}`, data);
      if (page !== null) expect(unescape(page)).toBe(text);
    }
  },
);

testProperty(
  "any text is a template, or an error with its place",
  [fc.array(piece, { maxLength: 8 }), value],
  (pieces, shown) => {
    attempt(pieces.join(""), { x: shown, k: "a" });
  },
);

/** The page; null for a TemplateError, and nothing else is thrown. */
function attempt(text: string, data: object): string | null {
  try {
    return render(text, data, { isStrict: false });
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    expect(error.message).toMatch(/^templates\/page\.html:\d+:\d+: ./);
    return null;
  }
}

function unescape(text: string): string {
  return text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#x27;", "'")
    .replaceAll("&amp;", "&");
}
