import { expect, test } from "bun:test";
import { parseBackfill } from "../../../src/db/migrations/generate/backfills.ts";
import { type DialectTest, testOnEachDialect } from "../../database-servers.ts";
import { TestFolder } from "../../setup.ts";
import { type Declare, failureOf, MigrationProject } from "./migration-project.ts";

const TITLES = ["it's", 'a "quote"', "back\\slash", "x'); drop table articles; --"];

const declareArticles: Declare = ({ table, id, varchar, integer }) => ({
  articles: table("articles", {
    id: id(),
    title: varchar(100).notNull(),
    note: varchar(20),
    count: integer(),
  }),
});

/** A table with rows of these titles, of which the first alone has a note. */
async function createProject(context: DialectTest): Promise<MigrationProject> {
  const project = new MigrationProject(context);
  await project.change(declareArticles);
  await project.run(
    "insert into articles (title, note, count) values ('One', 'kept', 1), ('Two', null, null)",
  );
  return project;
}

async function backfill(project: MigrationProject, declare: Declare, ...texts: string[]): Promise<string[]> {
  const migration = await project.generate(declare, { backfills: texts.map(parseBackfill) });
  if (migration === null) throw new Error("Nothing has changed");
  await migration.write();
  await project.apply();
  expect(await project.generate(declare)).toBeNull();
  return [...migration.losses];
}

testOnEachDialect("a required column of each type is added, filled and constrained", async (context) => {
  const project = await createProject(context);
  const losses = await backfill(
    project,
    ({
      table,
      id,
      varchar,
      text,
      integer,
      bigint,
      decimal,
      boolean,
      timestamp,
      date,
      json,
      enumOf,
      uuid,
    }) => ({
      articles: table("articles", {
        id: id(),
        title: varchar(100).notNull(),
        note: varchar(20),
        count: integer(),
        language: varchar(10).notNull(),
        body: text().notNull(),
        size: integer().notNull(),
        views: bigint().notNull(),
        price: decimal(10, 2).notNull(),
        exact: decimal(30, 10).notNull(),
        published: boolean().notNull(),
        at: timestamp().notNull(),
        made: timestamp().notNull(),
        day: date().notNull(),
        data: json().notNull(),
        state: enumOf(["draft", "it's"]).notNull(),
        key: uuid().notNull(),
      }),
    }),
    "language=en",
    `body=${TITLES.join("\n")}`,
    "size=-7",
    "views=9007199254740991",
    "price=12.5",
    "exact=12345678901234567890.5",
    "published=true",
    "at=2026-11-22T08:30:00.250+02:00",
    "made=now",
    "day=2026-11-22",
    'data={"a":"it\'s \\\\ \\"x\\""}',
    "articles.state=it's",
    "key=0190163d-8694-739b-aea5-966c26f8ad91",
  );
  expect(losses).toEqual([]);
  const columns = "language, body, size, views, exact, day, state, key";
  const quoted = context.dialect === "mysql" ? columns.replace("key", "`key`") : columns;
  const row = ["en", TITLES.join("\n"), "-7", "9007199254740991", "12345678901234567890.5000000000"];
  const rows = await project.values(`select ${quoted} from articles order by id`);
  const shown = rows.map(([language, body, size, views, exact = "", ...rest]) => [
    language,
    body,
    size,
    views,
    // SQLite keeps so many digits as text.
    exact?.padEnd("12345678901234567890.5000000000".length, "0"),
    ...rest.map((value) => value?.replace(/^"?(2026-11-2[12])[^,]*$/, "2026-11-22")),
  ]);
  expect(shown).toEqual(
    [1, 2].map(() => [...row, "2026-11-22", "it's", "0190163d-8694-739b-aea5-966c26f8ad91"]),
  );
  const at = { sqlite: "1795329000250" }[context.dialect as string] ?? "2026-11-22";
  expect((await project.values("select at from articles where id = 1"))[0]?.[0]).toContain(at);
  expect(await project.values("select count(*) from articles where made is not null")).toEqual([["2"]]);
  const data = (await project.run("select data from articles where id = 1"))[0]?.["data"];
  expect(typeof data === "string" ? JSON.parse(data) : data).toEqual({ a: 'it\'s \\ "x"' });
  await project.refusal("insert into articles (title) values ('three')");
});

testOnEachDialect("columns are filled from others, before those are dropped", async (context) => {
  const project = await createProject(context);
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- read with its test
  const declare: Declare = ({ table, id, varchar, integer }) => ({
    articles: table("articles", {
      id: id(),
      heading: varchar(100).notNull(),
      note: varchar(20).notNull(),
      slug: varchar(100).notNull().unique(),
      count: integer().notNull(),
      extra: varchar(10),
    }),
  });
  const migration = await backfill(
    project,
    declare,
    context.dialect === "mysql" ? "heading=sql:concat(title, ' ', id)" : "heading=sql:title || ' ' || id",
    "note=none",
    "slug=sql:lower(title)",
    "count=sql:id * 10",
    "extra=more",
  );
  expect(migration).toEqual([
    'Drops column "articles.title" with its values',
    'Makes "articles.slug" unique: fails where rows have the same values',
  ]);
  expect(await project.values("select heading, note, slug, count, extra from articles order by id")).toEqual([
    ["One 1", "kept", "one", "1", "more"],
    ["Two 2", "none", "two", "20", "more"],
  ]);
});

testOnEachDialect("a column that is added without being rebuilt is filled too", async (context) => {
  const project = await createProject(context);
  await backfill(
    project,
    ({ table, id, varchar, integer, boolean }) => ({
      articles: table("articles", {
        id: id(),
        title: varchar(100).notNull(),
        note: varchar(20),
        count: integer(),
        rank: integer(),
        old: boolean().notNull().default(false),
      }),
    }),
    "rank=3",
    "old=true",
  );
  const rows = await project.run("select * from articles order by id");
  expect(rows.map(({ rank, old }) => [rank, Boolean(old)])).toEqual([
    [3, true],
    [3, true],
  ]);
});

testOnEachDialect(
  "a required column that rows have no value for fails alike, and leaves nothing",
  async (context) => {
    const project = await createProject(context);
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- read with its test
    const declareNew: Declare = ({ table, id, varchar, integer, date }) => ({
      articles: table("articles", {
        id: id(),
        title: varchar(100).notNull(),
        note: varchar(20),
        count: integer(),
        day: date().notNull(),
        language: varchar(10),
      }),
    });
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- read with its test
    const declareRequired: Declare = ({ table, id, varchar, integer }) => ({
      articles: table("articles", {
        id: id(),
        title: varchar(100).notNull(),
        note: varchar(20).notNull(),
        count: integer(),
        language: varchar(10),
      }),
    });
    for (const [declare, column] of [
      [declareNew, "day"],
      [declareRequired, "note"],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const migration = await project.generate(declare);
      expect(migration?.unfilled).toEqual([`articles.${column}`]);
      // oxlint-disable-next-line no-await-in-loop
      const files = (await migration?.write()) ?? [];
      // oxlint-disable-next-line no-await-in-loop
      const message = await failureOf(project.apply());
      expect(message).toContain(
        `rows that are there have no value for "${column}": withdraw it with xcore db generate blog --undo, and generate it again with --backfill '${column}=…'`,
      );
      expect(message).toMatch(/nothing of it was kept$/);
      // oxlint-disable-next-line no-await-in-loop
      expect(Object.keys((await project.run("select * from articles"))[0] ?? {})).toEqual([
        "id",
        "title",
        "note",
        "count",
      ]);
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(files.map((file) => Bun.file(file).delete()));
    }
    // Where there are no rows, it is no matter.
    await project.run("delete from articles");
    await project.change(declareNew);
    await project.change(declareRequired);
  },
);

const WRONG: readonly [text: string, message: string][] = [
  ["nowhere=1", 'Cannot backfill "nowhere": this migration neither adds such a column'],
  ["title=x", 'Cannot backfill "title": this migration neither adds'],
  ["name=x", 'Cannot backfill "name": write "articles.name" or "notes.name"'],
  ["size=12.5", 'Cannot backfill "articles.size" with this value: it isn\'t an integer'],
  ["size=99999999999", "it isn't an integer of 32 bits"],
  ["flag=yes", "it is neither true nor false"],
  ["at=2026-11-22", "nor a time with its zone"],
  ["day=2026-02-30", "it isn't a date"],
  ["state=gone", 'it is none of "a", "b"'],
  ["code=toolong", "it has more than 3 characters"],
  ["data={", "it isn't JSON"],
  ["code=sql:", "the expression after sql: is empty"],
  ["code=a\0", "it holds the character U+0000"],
];

for (const [text, message] of WRONG) {
  test(`--backfill ${JSON.stringify(text)} is refused`, async () => {
    await using folder = await TestFolder.create();
    const project = new MigrationProject({ folder, dialect: "sqlite" } as DialectTest);
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- read with its test
    const before: Declare = ({ table, id, varchar }) => ({
      articles: table("articles", { id: id(), title: varchar(100) }),
      notes: table("notes", { id: id() }),
    });
    await (await project.generate(before))?.write();
    // oxlint-disable-next-line unicorn/consistent-function-scoping -- read with its test
    const after: Declare = ({ table, id, varchar, integer, boolean, timestamp, date, json, enumOf }) => ({
      articles: table("articles", {
        id: id(),
        title: varchar(100),
        name: varchar(10),
        size: integer().notNull(),
        flag: boolean().notNull(),
        at: timestamp().notNull(),
        day: date().notNull(),
        state: enumOf(["a", "b"]).notNull(),
        code: varchar(3).notNull(),
        data: json().notNull(),
      }),
      notes: table("notes", { id: id(), name: varchar(10) }),
    });
    const backfills = [parseBackfill(text)];
    expect(await failureOf(project.generate(after, { backfills }))).toContain(message);
  });
}

test("a backfill is given once, and says column and value", async () => {
  expect(() => parseBackfill("language")).toThrow('write "column=value"');
  expect(parseBackfill("a.b=c=d")).toEqual({ table: "a", column: "b", value: "c=d" });
});
