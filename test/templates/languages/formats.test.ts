import { expect, test } from "bun:test";
import { createRequestNames } from "../../../src/templates/request-names.ts";
import { createLibrary } from "../rendering.ts";

const AT = "2026-11-27T07:05:09.000Z";

function asItIs(_language: string, text: string): string {
  return text;
}

function show(text: string, language: string): string {
  const library = createLibrary({ "page.html": text });
  library.check();
  const template = library.find("page.html");
  if (template === null) throw new TypeError("There is no page.html");
  const words = { names: ["en", "fr"], translate: asItIs, translateError: asItIs };
  const globalsOf = () => ({ language });
  const request = createRequestNames(null, { globalsOf, appName: "xcore", theme: "light", nonce: "", words });
  // Spaces that don't break are as good as others to a reader.
  return library
    .render(template, { at: AT, n: 1234567.8915 }, { isStrict: true, request })
    .replaceAll(/[\u00a0\u202f]/g, " ");
}

test("dates, numbers, sizes and durations are written as the page's language has them", () => {
  const cases = [
    ["{{ at | date }}", "27 Nov 2026", "27 nov. 2026"],
    ["{{ at | datetime }}", "27 Nov 2026, 07:05 UTC", "27 nov. 2026, 07:05 UTC"],
    ["{{ n | number }}", "1,234,567.892", "1 234 567,892"],
    ["{{ n | number(0) }}", "1,234,568", "1 234 568"],
    ["{{ n | number(digits=1) }}", "1,234,567.9", "1 234 567,9"],
    ["{{ n | bytes }}", "1.2 MB", "1,2 Mo"],
    ["{{ 512 | bytes }}", "512 bytes", "512 octets"],
    ["{{ 11100000 | duration }}", "3 hrs 5 mins", "3 h 5 min"],
    ["{{ 90061000 | duration }}", "1 day 1 hr", "1 j 1 h"],
    ["{{ 2.34 | duration }}", "2.3 ms", "2,3 ms"],
    ["{{ none | date }}{{ none | number }}{{ none | bytes }}{{ none | duration }}", "", ""],
    ["{{ 'soon' | datetime }}{{ 'many' | number }}", "soonmany", "soonmany"],
    ["{{ [1000, 2000] | map('number') | join(' ') }}", "1,000 2,000", "1,000 2,000"],
  ] as const;
  for (const [text, english, french] of cases) {
    expect([text, show(text, "en"), show(text, "fr")]).toEqual([text, english, french]);
  }
});
