import { expect, test } from "bun:test";
import { neutralise, restoreText } from "../../src/resources/export/formula-text.ts";

const FORMULAS = [
  "=1",
  "+1",
  "-1",
  "@sum",
  "\t=1",
  "\r=1",
  "\n=1",
  "\uff1d1",
  "\uff0b1",
  "\uff0d1",
  "\uff20sum",
  "'=1",
  "''\n=1",
];

test("what a spreadsheet would run is text in it, and is imported as it was", () => {
  for (const text of FORMULAS) {
    expect(neutralise(text)).toBe(`'${text}`);
    expect(restoreText(neutralise(text))).toBe(text);
  }
  for (const text of ["a=1", " =1", "1-1", "'a", ""])
    expect([neutralise(text), restoreText(text)]).toEqual([text, text]);
});
