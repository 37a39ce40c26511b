import { expect, test } from "bun:test";
import { DefaultErrorFunction, type ErrorFunctionParameter, ValueErrorType } from "@sinclair/typebox/errors";
import { Sentences, translateError } from "../../../src/templates/languages/sentences.ts";
import { Messages, VALUE } from "./messages.ts";
import { readCatalogue } from "./texts.ts";

/** What is said on a terminal and in the log alone, or in the place of which clients get another message. */
const UNSHOWN = [
  /^accounts\/keys\//,
  /^app\/(?:command-channel|failure-text|workers)/,
  /^app\/(?:lifetime|monitoring|trial)\//,
  /^backups\//,
  /^cache\/(?:cache|redis)/,
  /^db\/backup\/(?:backup|disk|mysql-dump|programs|restore|sqlite-dump)/,
  /^db\/contract\/(?:database-url|faults|tls)/,
  /^db\/(?:copy|drizzle|migrations|mysql|postgres|sqlite|transactions)\//,
  /^db\/(?:detached|open)/,
  /^db\/server\/(?:connection|migration-connection|open-work|pool|transaction)/,
  /^jobs\/backends/,
  /^plugins\/remote\/publish\//,
  /^storage\/(?:storage|s3\/)/,
  /^templates\/engine\//,
  /^web\/(?:acme|https|listening)\//,
];
/** A database can't be connected to: clients read that it can't answer. */
const OF_CONNECTIONS =
  /^Cannot (?:connect to|encrypt the connection to|log in to|open) the database\b|^Cannot tell whether/;

const messages = new Messages(
  "{errors,db,storage,cache,web,templates,accounts,jobs,mail,backups,resources,sdk,plugins,ui,guide,app}",
);
const french = await readCatalogue("fr.errors");
const sentences = new Sentences();
for (const [english, translation] of Object.entries(french)) sentences.add(english, translation);

test("whatever an error says that a page may show has its French in templates/languages/fr.errors.json", () => {
  const shown = messages.find((path) => !UNSHOWN.some((one) => one.test(path)));
  const said = [...shown].filter(([message]) => isSentence(message) && !OF_CONNECTIONS.test(message));
  expect(said.length).toBeGreaterThan(500);
  expect(
    said.flatMap(([message, path]) => findEnglish(message).map((left) => ({ path, message, left }))),
  ).toEqual([]);
});

test("what TypeBox says of values has its French", () => {
  const schema = {
    minimum: 1,
    maximum: 9,
    minLength: 1,
    maxLength: 9,
    minItems: 1,
    maxItems: 9,
    const: "x",
    pattern: "x",
    format: "x",
  };
  const types = [
    "ArrayMaxItems",
    "ArrayMinItems",
    "Array",
    "Boolean",
    "IntegerMaximum",
    "IntegerMinimum",
    "Integer",
    "Literal",
  ];
  const others = [
    "NumberMaximum",
    "NumberMinimum",
    "Number",
    "Object",
    "StringFormat",
    "StringMaxLength",
    "StringMinLength",
  ];
  for (const name of [
    ...types,
    ...others,
    "StringPattern",
    "String",
    "Union",
  ] as (keyof typeof ValueErrorType)[]) {
    const message = DefaultErrorFunction({
      errorType: ValueErrorType[name],
      schema,
    } as unknown as ErrorFunctionParameter);
    expect([message, findEnglish(message)]).toEqual([message, []]);
  }
});

test("nothing else has its French, and a translation has no place that its sentence hasn't", async () => {
  const said = [...messages.find(() => true).keys()].join("\n");
  const unsaid = Object.keys(french).filter((english) => !toPattern(english).test(said));
  const code = `${await readSources()} ${DefaultErrorFunction.toString()}`;
  expect(unsaid.filter((english) => !isPutTogether(english, code))).toEqual([]);
  const wrong = Object.entries(french).filter(
    ([english, translation]) => !placesOf(translation).isSubsetOf(placesOf(english)),
  );
  expect(wrong).toEqual([]);
});

test("a sentence is known by what stands around its values, whatever these are", () => {
  expect(translate('Cannot find role "x": there is none')).toBe("Rôle « x » : aucun");
  expect(translate('Cannot find role "": "a": there is none')).toBe('Rôle « ": "a » : aucun');
  expect(translate("Expected one of a, b")).toBe("Parmi a, b");
  expect(translate("Expected {name}")).toBe("Attendu {name}");
  expect(translate("Cannot read it: no folder; make room; other")).toBe(
    "Illisible : pas un dossier; faites de la place; other",
  );
  expect(translate("email: no folder; name: {x}; a: b: no folder")).toBe(
    "email: pas un dossier; name: {x}; a: b: pas un dossier",
  );
  expect([translate("See deals"), translate("See the manual")]).toEqual(["Voir : deals", "See the manual"]);
  expect(translate("Cannot read")).toBe("Cannot read");
  expect(translate("")).toBe("");
});

test("what nobody has written is neither taken for a sentence nor looked at for long", () => {
  for (const said of ["; ".repeat(2000), "Cannot read it: ".repeat(250), `${"a: ".repeat(1300)}no folder`]) {
    expect(translate(said).length).toBeLessThan(2 * said.length);
  }
  const long = `Cannot read it: ${"x".repeat(4000)}`;
  expect(translate(long)).toBe(long);
});

/** Translates by a few sentences. */
function translate(said: string): string {
  const few = new Sentences();
  few.add('Cannot find role "{name}": there is none', "Rôle « {name} » : aucun");
  few.add("Expected {value}", "Attendu {value}");
  few.add("Expected one of {values}", "Parmi {values}");
  few.add("Cannot read it: {reason}", "Illisible : {reason}");
  few.add("See {word}", "Voir : {word}");
  few.add("no folder", "pas un dossier");
  few.add("make room", "faites de la place");
  return translateError([few], said);
}

/** The words of a message that are still there once it is translated; what stands in quotes is a name. */
function findEnglish(message: string): string[] {
  const translation = ` ${translateError([sentences], message)} `.replaceAll(/[^a-zà-ÿ']+/gi, " ");
  return pairsOf(message).filter((pair) => translation.includes(` ${pair} `));
}

function isSentence(message: string): boolean {
  return pairsOf(message).length > 0;
}

/** Words that stand beside each other, but for commands. */
function pairsOf(message: string): string[] {
  const words = message
    .replaceAll(/"[^"]*"|`[^`]*`|xcore [\w ]+|\{[^}]*\}/g, VALUE)
    .split(/(?=[^\w' ])|(?<=[^\w' ])/);
  return words.flatMap((part) => {
    const all = part.trim().split(" ");
    return all.slice(1).flatMap((word, index) => {
      const pair = `${all[index]} ${word}`;
      return /^[A-Za-z']{2,} [a-z']{2,}$/.test(pair) ? [pair] : [];
    });
  });
}

function placesOf(text: string): Set<string> {
  return new Set([...text.matchAll(/\{\w+\}/g)].map(([place]) => place));
}

async function readSources(): Promise<string> {
  const root = new URL("../../../src/", import.meta.url).pathname;
  const texts = await Promise.all(
    [...new Bun.Glob("**/*.ts").scanSync(root)].map((file) => Bun.file(root + file).text()),
  );
  return texts.join("\n").replaceAll("\\", "");
}

/** A sentence with any values, as it stands in a line. */
function toPattern(english: string): RegExp {
  const pieces =
    english
      .split("\n")
      .at(-1)
      ?.split(/\{\w+\}/) ?? [];
  return new RegExp(
    pieces
      .filter((piece) => piece !== "")
      .map((piece) => RegExp.escape(piece))
      .join(".*?"),
  );
}

/** Whether the code has all that a sentence is put together of. */
function isPutTogether(english: string, known: string): boolean {
  return english.split(/\{\w+\}|[^A-Za-z' ]+|\B'|'\B/).every((part) => known.includes(part.trim()));
}
