import { and, asc, type SQL } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { fold, foldedLetters, indexedParts, sameLetters } from "../../../src/db/search/letters.ts";
import { createSchemaModule } from "../../../src/db/schema/schema.ts";
import { hasWord, mayHaveWords, toMysqlText, toPostgresText } from "../../../src/db/search/words.ts";
import { type DialectTest, testOnEachDialect } from "../../database-servers.ts";
import { type Declare, MigrationProject } from "../migrations/migration-project.ts";
import { TABLE_MAKERS } from "../table-makers.ts";

type Notes = PgTable & { readonly id: PgColumn; readonly title: PgColumn; readonly body: PgColumn };
interface Note {
  readonly title: string;
  readonly body: string | null;
}

const declare: Declare = ({ table, id, text, searchIndex }) => ({
  notes: table("notes", { id: id(), title: text().notNull(), body: text() }, (t) => [
    searchIndex("notes_search").on(t.title, t.body),
  ]),
});

/** A table of notes, numbered from 1 on, on a database. */
class Notebook {
  readonly table: Notes;
  readonly #context: DialectTest;

  constructor(context: DialectTest) {
    this.#context = context;
    this.table = declare(createSchemaModule(TABLE_MAKERS[context.dialect]))["notes"] as Notes;
  }

  static async open(context: DialectTest, notes: readonly Note[]): Promise<Notebook> {
    await new MigrationProject(context).change(declare);
    const book = new Notebook(context);
    for (let at = 0; at < notes.length; at += 500) {
      // oxlint-disable-next-line no-await-in-loop -- one statement after another
      await context.driver
        .toDatabase({})
        .insert(book.table)
        .values(notes.slice(at, at + 500));
    }
    return book;
  }

  async find(condition: SQL | undefined): Promise<number[]> {
    const { table } = this;
    const query = this.#context.driver.toDatabase({}).select({ id: table.id }).from(table);
    return (await query.where(condition).orderBy(asc(table.id))).map(({ id }) => Number(id));
  }

  /** Which notes have all of these words, by themselves and by the index. */
  async search(words: readonly string[]): Promise<{ readonly plain: number[]; readonly indexed: number[] }> {
    const { table } = this;
    const all = words.map((word) => hasWord([table.title, table.body], word));
    return {
      plain: await this.find(and(...all)),
      indexed: await this.find(and(mayHaveWords(table, words), ...all)),
    };
  }
}

const PIECES = [
  "deal", "Deal", "d", "de", "the", "about", "AND", "NEAR", "OR", "not", "école", "Ecole", "ÉCOLE", "l'école",
  "naïve", "Ångström", "straße", "œuvre", "Œuvre", "Łódź", "Москва", "москва", "ёлка", "Αθήνα", "αθήνα", "שלום", "東京", "私は東京に",
  "tower", "東京tower", "서울", "2024", "007", "1e5", "3.14", "-5", "C++", "c#", "a_b", "foo-bar", "foo@bar.com", "it's", "100%",
  "x*", "*", "\"q\"", "(a)", "[b]", "a\\b", "a/b", "«mot»", "“word”", "€5", "₽7", "a:b", "^up", "~t", "+plus", "?", "😀", "😀deal", "x😀", "🤖deal", "❤️deal", "👍🏽deal", "🇫🇷deal", "⭐deal", "a".repeat(60),
]; // prettier-ignore
const SPACES = [" ", "  ", "\n", "\t", ", ", ".", "-", "/", "\u00a0", ""];

/** The same numbers in each run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const UNSPACED = /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}/u;

/** What it means that a text has a word, said in another way. */
function hasWordPlainly(text: string | null, word: string): boolean {
  const [letters, wanted] = [Array.from(text ?? "", toPlain), Array.from(word, toPlain)];
  const isWithin = UNSPACED.test(word) || !/^[\p{L}\p{N}]/u.test(word);
  return letters.some((_, at) => {
    const isBeginning = isWithin || at === 0 || !/[\p{L}\p{N}]/u.test(letters[at - 1] ?? "");
    return isBeginning && wanted.every((letter, place) => letters[at + place] === letter);
  });
}

function toPlain(letter: string): string {
  const [base = "", ...marks] = letter.normalize("NFD");
  return /[a-z]/i.test(base) && marks.every((mark) => /\p{M}/u.test(mark))
    ? base.toLowerCase()
    : letter.toLowerCase();
}

testOnEachDialect("words are found as they are said to be, with the index and without", async (context) => {
  const random = createRandom(7);
  const pick = (list: readonly string[]): string => list[Math.floor(random() * list.length)] ?? "";
  const makeText = (): string =>
    Array.from({ length: Math.floor(random() * 6) }, () => pick(PIECES) + pick(SPACES)).join("");
  const notes = Array.from({ length: 300 }, () => ({
    title: makeText(),
    body: random() < 0.2 ? null : makeText(),
  }));
  const book = await Notebook.open(context, notes);
  const words = [
    ...PIECES,
    ...PIECES.map((one) => one.slice(0, 2)),
    ...PIECES.map((one) => one.toUpperCase()),
    "'",
    "%",
    "'; drop",
    "zzz",
  ];
  const sought = words.map((word) => [word]);
  for (let count = 0; count < 60; count++) sought.push([pick(PIECES), pick(PIECES).slice(0, 3)]);
  for (const some of sought) {
    const expected = notes.flatMap(({ title, body }, at) =>
      some.every((word) => hasWordPlainly(title, word) || hasWordPlainly(body, word)) ? [at + 1] : [],
    );
    // oxlint-disable-next-line no-await-in-loop -- one query after another
    expect([some, await book.search(some)]).toEqual([some, { plain: expected, indexed: expected }]);
  }
});

testOnEachDialect(
  "every letter that is folded, and what stands between words, is so to the index",
  async (context) => {
    const characters = Array.from({ length: 0x1faff - 0x80 }, (_, at) => 0x80 + at)
      .filter((code) => code < 0xd800 || code > 0xf8ff)
      .filter((code) => code < 0x1_0000 || code > 0x1_f000)
      .map((code) => String.fromCodePoint(code))
      .filter(
        (one) =>
          foldedLetters().has(one) ||
          !/[\p{L}\p{N}\p{M}\p{Cn}\p{Co}]/u.test(one) ||
          indexedParts(one + one).length > 0,
      )
      .filter((one, at) => one < "\uac00" || at % 40 === 0);
    const book = await Notebook.open(
      context,
      characters.map((one) => ({ title: `zz${one}abc`, body: null })),
    );
    const { plain, indexed } = await book.search(["abc"]);
    expect(plain.length).toBeGreaterThan(1000);
    expect(indexed).toEqual(plain);
    const alike = Map.groupBy(
      characters
        .map((one, at) => [fold(one), at + 1] as const)
        .filter(([one]) => indexedParts(one + one).length > 0),
      ([one]) => one,
    );
    expect(alike.size).toBeGreaterThan(300);
    const { table } = book;
    for (const [letter, rows] of alike) {
      const word = `zz${letter}abc`;
      // oxlint-disable-next-line no-await-in-loop -- one query after another
      const found = await book.find(and(mayHaveWords(table, [word]), hasWord([table.title], word)));
      expect([letter, found]).toEqual([letter, rows.map(([, id]) => id)]);
    }
  },
);

testOnEachDialect("rows of much text, and of very long words, are found", async (context) => {
  const many = Array.from({ length: 150_000 }, (_, at) => `w${at.toString(36)}é`).join(" ");
  const book = await Notebook.open(context, [
    { title: "a", body: many },
    { title: "b".repeat(5000), body: `${"c".repeat(300)} d` },
    { title: "a", body: `${many.slice(0, 400_000)} last` },
  ]);
  expect(await book.search(["w2s"])).toEqual({ plain: [1, 3], indexed: [1, 3] });
  expect(await book.search([`w${(149_999).toString(36)}E`])).toEqual({ plain: [1], indexed: [1] });
  expect(await book.search(["b".repeat(100), "d"])).toEqual({ plain: [2], indexed: [2] });
  expect(await book.search(["c".repeat(41), "d"])).toEqual({ plain: [2], indexed: [2] });
  expect(await book.search(["last"])).toEqual({ plain: [3], indexed: [3] });
});

test("letters are the same whatever their case and accents", () => {
  expect(fold("ÉCOLE Ça ŁÓDŹ Ἀθήνα Москва İ")).toBe("ecole ca łodz Ἀθήνα москва i");
  expect(fold("e\u0301")).toBe("e");
  expect(sameLetters("n").normalize("NFD").replaceAll(/\p{M}/gu, "")).toMatch(/^[nN]+$/);
  expect(indexedParts("c++")).toEqual([]); // one letter is in most texts
  expect(indexedParts("foo-bar@xy")).toEqual(["foo", "bar", "xy"]);
  expect(indexedParts("東京tower")).toEqual([]);
});

test("what an index is made of stays as it is: it stands in migrations", () => {
  const texts = [toPostgresText(['"a"', '"b"']), toMysqlText(["`a`", "`b`"])];
  expect(texts.map((text) => createHash("sha256").update(text).digest("hex").slice(0, 16))).toEqual([
    "6a13879dc25e897c",
    "32233a5b7bb43717",
  ]);
});
