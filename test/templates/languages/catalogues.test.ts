import { join } from "node:path";
import { expect, test } from "bun:test";
import { chooseLanguage, Languages, toLanguageName } from "../../../src/templates/languages/catalogues.ts";
import { fillPlaces } from "../../../src/templates/languages/phrases.ts";
import { findTexts, readCatalogue } from "./texts.ts";

test("every text of xcore's pages has its French, and nothing else has", async () => {
  const texts = await findTexts();
  const french = await readCatalogue("fr");
  expect(texts.size).toBeGreaterThan(50);
  expect([...texts].filter(([text]) => !Object.hasOwn(french, text))).toEqual([]);
  expect(Object.keys(french).filter((text) => !texts.has(text))).toEqual([]);
});

test("xcore's own translations can all be used", async () => {
  const name = "languages/fr.json";
  const text = await Bun.file(join(import.meta.dir, "../../../templates", name)).text();
  expect(new Languages("core").keep("core", [{ name, text }])).toEqual([]);
});

test("a translation has the places of its text", async () => {
  const wrong = Object.entries(await readCatalogue("fr")).filter(
    ([text, translation]) => placesOf(text).join() !== placesOf(translation).join(),
  );
  expect(wrong).toEqual([]);
});

test("chooseLanguage() takes what somebody has chosen, then what their browser wants most", () => {
  const names = ["en", "fr", "pt-BR"];
  const choose = (chosen: string | null, accepted: string | null) =>
    chooseLanguage(names, { chosen, accepted });
  expect(choose("fr", "en")).toBe("fr");
  expect(choose("xx", "fr-CA,en;q=0.5")).toBe("fr");
  expect(choose(null, "de;q=0.9, en;q=0.1, fr;q=0.4")).toBe("fr");
  expect(choose(null, "fr;q=0, en")).toBe("en");
  expect(choose(null, "pt-BR")).toBe("pt-BR");
  expect(choose(null, "pt")).toBe("en");
  expect(choose(null, "*")).toBe("en");
  expect(choose(null, `${"x,".repeat(100_000)}fr`)).toBe("en");
  expect(choose(null, null)).toBe("en");
});

test("a plugin's texts are its own, and fall back to those of the core", () => {
  const languages = new Languages("core");
  languages.keep("core", [
    { name: "languages/fr.json", text: '{ "Order": "Commande", "Save": "Enregistrer" }' },
  ]);
  languages.keep("shop", [{ name: "languages/fr.json", text: '{ "Order": "Ordre" }' }]);
  languages.keep("shop2", [{ name: "languages/de.json", text: '{ "Order": "Bestellung" }' }]);
  expect(languages.names).toEqual(["en", "de", "fr"]);
  expect(languages.translate("shop", "fr", "Order")).toBe("Ordre");
  expect(languages.translate("shop", "fr", "Save")).toBe("Enregistrer");
  expect(languages.translate("other", "fr", "Order")).toBe("Commande");
  expect(languages.translate("shop", "en", "Order")).toBe("Order");
  expect(languages.translate("shop", "fr", "constructor")).toBe("constructor");
  // What serves on, where a file is saved half way, is told in the words of before.
  for (const text of ["{", '{ "Order": 1 }']) {
    expect(languages.keep("shop", [{ name: "languages/fr.errors.json", text }])).toHaveLength(1);
    expect(languages.translate("shop", "fr", "Order")).toBe("Ordre");
  }
  languages.forget("shop2");
  expect(languages.names).toEqual(["en", "fr"]);
});

test("what is wrong with a file of translations is told with its place", () => {
  expect(keep("[]")).toMatchObject([{ message: "Expected an object of texts and their translations" }]);
  expect(keep('{\n  "Save": 1\n}')).toMatchObject([
    { message: 'Expected a text as the translation of "Save"', lineno: 1 },
  ]);
  expect(keep('{ "Save": ')).toMatchObject([{ lineno: 0 }]);
});

test("what an error says is looked for among a plugin's sentences, then the core's, then the texts of both", () => {
  const languages = new Languages("core");
  const errors =
    '{ "No order {id}": "Pas de commande {id}", "Cannot save: {reason}": "Pas enregistré : {reason}" }';
  languages.keep("core", [
    { name: "languages/fr.errors.json", text: errors },
    { name: "languages/fr.json", text: '{ "Choose first.": "Choisissez d’abord." }' },
  ]);
  languages.keep("shop", [
    { name: "languages/fr.errors.json", text: '{ "No order {id}": "Commande {id} inconnue" }' },
  ]);
  const say = (owner: string, said: string) => languages.translateError(owner, "fr", said);
  expect(say("core", "No order 7")).toBe("Pas de commande 7");
  expect(say("shop", "Cannot save: No order 7")).toBe("Pas enregistré : Commande 7 inconnue");
  expect(say("other", "Choose first.")).toBe("Choisissez d’abord.");
  expect(languages.translateError("shop", "en", "No order 7")).toBe("No order 7");
  expect(languages.translate("shop", "fr", "No order 7")).toBe("No order 7");
});

test("fillPlaces() fills what it is given, and nothing that it isn't", () => {
  expect(fillPlaces("Delete {name} of {owner}?", { name: "{owner}", owner: "Ada" })).toBe(
    "Delete {owner} of Ada?",
  );
  expect(fillPlaces("{toString}", {})).toBe("{toString}");
  expect(fillPlaces("{x}", null)).toBe("{x}");
});

test("toLanguageName() is what its speakers call it", () => {
  expect(["en", "fr", "de"].map(toLanguageName)).toEqual(["English", "Français", "Deutsch"]);
});

function placesOf(text: string): string[] {
  return [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).toSorted();
}

function keep(text: string) {
  return new Languages("core").keep("core", [{ name: "languages/fr.json", text }]);
}
