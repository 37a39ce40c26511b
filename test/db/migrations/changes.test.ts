import { expect } from "bun:test";
import { type DialectTest, testOnEachDialect } from "../../database-servers.ts";
import { type Declare, MigrationProject, failureOf } from "./migration-project.ts";

const declareArticles: Declare = ({ table, id, varchar, integer }) => ({
  articles: table("articles", { id: id(), title: varchar(100).notNull(), count: integer() }),
});

/** A table of articles with two rows, and what refers to them and goes with them. */
async function createProject(context: DialectTest): Promise<MigrationProject> {
  const project = new MigrationProject(context);
  await project.change(withComments(declareArticles));
  await project.run("insert into articles (title, count) values ('one', 1), ('two', 2)");
  await project.run("insert into comments (article_id) values (1), (1), (2)");
  return project;
}

/** Comments that are deleted with their article: what a rebuild of `articles` must not do. */
function withComments(declare: Declare): Declare {
  return (schema) => {
    const tables = declare(schema);
    const { articles: target } = tables as { articles: { id: never } };
    const { table, id, references } = schema;
    const comments = table("comments", {
      id: id(),
      article_id: references(() => target.id, { onDelete: "cascade" }).notNull(),
    });
    return { ...tables, comments };
  };
}

async function expectRows(project: MigrationProject): Promise<void> {
  expect(await project.values("select id, title from articles order by id")).toEqual([
    ["1", "one"],
    ["2", "two"],
  ]);
  expect(await project.values("select article_id from comments order by id")).toEqual([["1"], ["1"], ["2"]]);
}

testOnEachDialect("generateMigration() returns null when nothing has changed", async (context) => {
  const project = await createProject(context);
  expect(await project.generate(withComments(declareArticles))).toBeNull();
});

testOnEachDialect("a column that is added is empty, or holds its default", async (context) => {
  const project = await createProject(context);
  const { name, losses } = await project.change(
    withComments(({ table, id, varchar, integer, boolean, timestamp }) => ({
      articles: table("articles", {
        id: id(),
        title: varchar(100).notNull(),
        count: integer(),
        note: varchar(20),
        published: boolean().notNull().default(false),
        state: varchar(20).notNull().default("it's \\ new"),
        at: timestamp().notNull().defaultNow(),
      }),
    })),
  );
  expect({ name, losses }).toEqual({ name: "0001_alter_articles", losses: [] });
  await expectRows(project);
  const [row] = await project.run("select note, published, state, at from articles where id = 2");
  expect(row).toMatchObject({ note: null, state: "it's \\ new" });
  expect(Boolean(row?.["published"])).toBeFalse();
  expect(row?.["at"]).not.toBeNull();
});

testOnEachDialect("a column that is dropped is a loss; the rest stays", async (context) => {
  const project = await createProject(context);
  const { losses } = await project.change(
    withComments(({ table, id, varchar }) => ({
      articles: table("articles", { id: id(), title: varchar(100).notNull() }),
    })),
  );
  expect(losses).toEqual(['Drops column "articles.count" with its values']);
  await expectRows(project);
  expect(Object.keys((await project.run("select * from articles"))[0] ?? {})).toEqual(["id", "title"]);
});

testOnEachDialect("a table that is dropped is a loss; the others stay", async (context) => {
  const project = await createProject(context);
  const { name, losses } = await project.change(declareArticles);
  expect({ name, losses }).toEqual({
    name: "0001_drop_comments",
    losses: ['Drops table "comments" with all of its rows'],
  });
  expect(await project.values("select title from articles order by id")).toEqual([["one"], ["two"]]);
  await project.refusal("select * from comments");
});

const declareStates =
  (state: string, author: string): Declare =>
  ({ table, id, enumOf, references, users, index }) => ({
    users,
    articles: table(
      "articles",
      {
        id: id(),
        [state]: enumOf(["draft", "published"]).notNull(),
        [author]: references(() => users.id),
      },
      (self) => [index("articles_state").on(self[state] ?? self.id)],
    ),
  });

testOnEachDialect("a renamed column keeps its values, indexes, checks and foreign keys", async (context) => {
  const project = new MigrationProject(context);
  await project.change(declareStates("state", "author_id"));
  await project.run("insert into users (email) values ('a@example.com')");
  await project.run("insert into articles (state, author_id) values ('draft', 1)");
  const renames = ["articles.state=status", "articles.author_id=writer_id"];
  const { losses } = await project.change(declareStates("status", "writer_id"), ...renames);
  expect(losses).toEqual([]);
  expect(await project.values("select status, writer_id from articles")).toEqual([["draft", "1"]]);
  await project.refusal("insert into articles (status) values ('gone')");
  await project.refusal("insert into articles (status, writer_id) values ('draft', 99)");
  expect(await project.generate(declareStates("status", "writer_id"))).toBeNull();
});

const declarePosts: Declare = ({ table, id, varchar, integer, references }) => {
  const posts = table("posts", { id: id(), title: varchar(100).notNull().unique(), count: integer() });
  const comments = table("comments", {
    id: id(),
    article_id: references(() => posts.id, { onDelete: "cascade" }).notNull(),
  });
  return { posts, comments };
};

testOnEachDialect("a renamed table keeps its rows, counter and what refers to it", async (context) => {
  const project = await createProject(context);
  await project.run("delete from articles where id = 2");
  const { name, losses } = await project.change(declarePosts, "articles=posts");
  expect(name).toBe("0001_rename_articles_to_posts_and_more");
  expect(losses).toEqual(['Makes "posts.title" unique: fails where rows have the same values']);
  await project.run("insert into posts (title) values ('three')");
  expect(await project.values("select id, title from posts order by id")).toEqual([
    ["1", "one"],
    ["3", "three"],
  ]);
  await project.refusal("insert into comments (article_id) values (2)");
  await project.run("delete from posts where id = 1");
  expect(await project.values("select count(*) from comments")).toEqual([["0"]]);
  // Its parts have the names that the next change expects.
  await project.change((schema) => {
    const { table, id, varchar } = schema;
    return { items: table("items", { id: id(), title: varchar(50) }) };
  }, "posts=items");
  expect(await project.values("select title from items")).toEqual([["three"]]);
});

testOnEachDialect(
  "without --rename, a vanished column and a new one are a drop and an add",
  async (context) => {
    const project = await createProject(context);
    const { losses, possibleRenames } = await project.change(
      withComments(({ table, id, varchar, integer }) => ({
        articles: table("articles", { id: id(), headline: varchar(100), count: integer() }),
      })),
    );
    expect({ losses, possibleRenames }).toEqual({
      losses: ['Drops column "articles.title" with its values'],
      possibleRenames: ["articles.title=headline"],
    });
    expect(await project.values("select headline, count from articles order by id")).toEqual([
      [null, "1"],
      [null, "2"],
    ]);
  },
);

testOnEachDialect("types are converted where the databases agree how", async (context) => {
  const project = new MigrationProject(context);
  await project.change(({ table, id, varchar, integer, decimal, text, uuid }) => ({
    t: table("t", {
      id: id(),
      wider: integer().notNull().default(1),
      to_text: integer(),
      to_number: varchar(20),
      rounded: decimal(10, 2),
      longer: varchar(5),
      key: uuid(),
      body: text().notNull().default("b"),
    }),
  }));
  const uuid = "0197f0a0-0000-7000-8000-000000000001";
  const key = context.dialect === "mysql" ? "`key`" : "key";
  await project.run(
    `insert into t (wider, to_text, to_number, rounded, longer, ${key}) values (7, 42, '12', 3.75, 'abcde', '${uuid}')`,
  );
  const { losses } = await project.change(({ table, id, varchar, integer, bigint, text }) => ({
    t: table("t", {
      id: id(),
      wider: bigint().notNull().default(2),
      to_text: text(),
      to_number: integer(),
      rounded: integer(),
      longer: varchar(50),
      key: varchar(36),
      body: varchar(100).notNull().default("c"),
    }),
  }));
  expect(losses).toEqual([
    'Changes column "t.to_number" from varchar(20) to integer: fails where a value doesn\'t fit, or rounds it',
    'Changes column "t.rounded" from numeric(10, 2) to integer: rounds its values',
    'Changes column "t.body" from text to varchar(100): fails where a value doesn\'t fit, or rounds it',
  ]);
  expect(
    await project.values(`select wider, to_text, to_number + 1, rounded, longer, ${key}, body from t`),
  ).toEqual([["7", "42", "13", "4", "abcde", uuid, "b"]]);
  await project.run("insert into t (longer) values ('x')");
  expect(await project.values("select wider, body from t where id = 2")).toEqual([["2", "c"]]);
});

testOnEachDialect("a type that can't be converted is dropped and made anew", async (context) => {
  const project = await createProject(context);
  const { losses } = await project.change(
    withComments(({ table, id, varchar, timestamp }) => ({
      articles: table("articles", { id: id(), title: varchar(100).notNull(), count: timestamp() }),
    })),
  );
  expect(losses).toEqual([
    'Changes column "articles.count" from integer to timestamp (3) with time zone: its values are dropped, as they can\'t be converted',
  ]);
  await expectRows(project);
  expect(await project.values("select count from articles")).toEqual([[null], [null]]);
});

testOnEachDialect("text that is no number stops a change to a number, with nothing lost", async (context) => {
  const project = await createProject(context);
  const changed = project.change(
    withComments(({ table, id, integer }) => ({
      articles: table("articles", { id: id(), title: integer().notNull(), count: integer() }),
    })),
  );
  expect(await failureOf(changed)).toContain("articles");
  await expectRows(project);
});

testOnEachDialect(
  "a required column without a default fails where there are rows, and works where none are",
  async (context) => {
    const project = await createProject(context);
    const declare = withComments(({ table, id, varchar, integer }) => ({
      articles: table("articles", {
        id: id(),
        title: varchar(100).notNull(),
        count: integer().notNull(),
        size: integer().notNull(),
      }),
    }));
    const generated = await project.generate(declare);
    expect(generated?.losses).toEqual([
      'Adds column "articles.size", required and without a default: fails where there are rows',
      'Makes column "articles.count" required: fails where it is NULL',
    ]);
    await generated?.write();
    expect(await failureOf(project.apply())).toContain("Cannot apply migration");
    await expectRows(project);
    await project.run("delete from articles");
    expect(await project.apply()).toEqual(["0001_alter_articles"]);
    await project.refusal("insert into articles (title, count) values ('x', 1)");
  },
);

const declareIndexes =
  (...names: string[]): Declare =>
  ({ table, id, varchar, integer, index, uniqueIndex, unique }) => ({
    articles: table("articles", { id: id(), title: varchar(100).notNull(), count: integer() }, (self) => [
      ...(names.includes("plain") ? [index("articles_plain").on(self.title)] : []),
      ...(names.includes("wider") ? [index("articles_plain").on(self.title, self.count)] : []),
      ...(names.includes("unique") ? [unique().on(self.title, self.count)] : []),
      ...(names.includes("uniqueIndex") ? [uniqueIndex("articles_count").on(self.count)] : []),
    ]),
  });

testOnEachDialect("indexes are added, changed and dropped", async (context) => {
  const project = await createProject(context);
  expect((await project.change(withComments(declareIndexes("plain")))).losses).toEqual([]);
  await project.change(withComments(declareIndexes("wider", "unique", "uniqueIndex")));
  await project.refusal("insert into articles (title, count) values ('three', 1)");
  await project.change(withComments(declareIndexes("unique")));
  await project.run("insert into articles (id, title, count) values (9, 'three', 1)");
  await project.refusal("insert into articles (title, count) values ('three', 1)");
  await project.change(withComments(declareIndexes()));
  await project.run("delete from articles where id = 9");
  await project.run("insert into articles (id, title, count) values (10, 'two', 2)");
  await project.run("delete from articles where id = 10");
  await expectRows(project);
});

const declareEnum =
  (...values: [string, ...string[]]): Declare =>
  ({ table, id, enumOf }) => ({
    articles: table("articles", { id: id(), state: enumOf(values).notNull().default(values[0]) }),
  });

testOnEachDialect("values of an enum are added and taken away", async (context) => {
  const project = new MigrationProject(context);
  await project.change(declareEnum("draft", "it's"));
  await project.run("insert into articles (state) values ('it''s')");
  expect((await project.change(declareEnum("draft", "it's", "published"))).losses).toEqual([]);
  await project.run("insert into articles (state) values ('published')");
  const narrower = await project.generate(declareEnum("draft", "published"));
  expect(narrower?.losses).toEqual([
    'Adds or changes check "articles_state_check" of table "articles": fails where rows don\'t keep to it',
  ]);
  await narrower?.write();
  expect(await failureOf(project.apply())).toContain("Cannot apply migration");
  expect(await project.values("select state from articles order by id")).toEqual([["it's"], ["published"]]);
  await project.run("delete from articles where id = 1");
  await project.apply();
  await project.refusal("insert into articles (state) values ('it''s')");
});

const declareKeys =
  (target: "none" | "authors" | "cascade" | "editors", ...indexed: string[]): Declare =>
  ({ table, id, bigint, references, index }) => {
    const authors = table("authors", { id: id() });
    const editors = table("editors", { id: id() });
    const column = {
      none: () => bigint(),
      authors: () => references(() => authors.id),
      cascade: () => references(() => authors.id, { onDelete: "cascade" }),
      editors: () => references(() => editors.id),
    }[target];
    const articles = table("articles", { id: id(), by: column() }, (self) =>
      indexed.map((name) => index(name).on(self.by)),
    );
    return { authors, editors, articles };
  };

testOnEachDialect("foreign keys are added, changed and dropped", async (context) => {
  const project = new MigrationProject(context);
  const by = context.dialect === "mysql" ? "`by`" : "by";
  await project.change(declareKeys("none"));
  await project.run("insert into authors (id) values (1), (2)");
  await project.run(`insert into articles (${by}) values (1), (2)`);
  expect((await project.change(declareKeys("authors"))).losses).toEqual([
    'Makes "articles.by" refer to table "authors": fails where rows don\'t keep to it',
  ]);
  await project.refusal(`insert into articles (${by}) values (3)`);
  // An index of one's own takes the place of MySQL's, and gives it back.
  await project.change(declareKeys("authors", "articles_by"));
  await project.change(declareKeys("authors"));
  expect((await project.change(declareKeys("cascade", "articles_by"))).losses).toEqual([]);
  await project.run("delete from authors where id = 2");
  expect(await project.values(`select ${by} from articles`)).toEqual([["1"]]);
  await project.run("insert into editors (id) values (1)");
  await project.change(declareKeys("editors", "articles_by"));
  await project.refusal("delete from editors");
  await project.change(declareKeys("none"));
  await project.run("delete from editors");
  expect(await project.values(`select ${by} from articles`)).toEqual([["1"]]);
});

const declareTree =
  (size: number): Declare =>
  ({ table, id, varchar, bigint, references, foreignKey }) => {
    const nodes: { id: never } = table(
      "nodes",
      { id: id(), name: varchar(size).notNull(), parent_id: bigint(), leaf_id: bigint() },
      (self) => [
        foreignKey({ columns: [self.parent_id], foreignColumns: [self.id] }).onDelete("cascade"),
        foreignKey({ columns: [self.leaf_id], foreignColumns: [leaves.id] }),
      ],
    ) as never;
    const leaves = table("leaves", { id: id(), node_id: references(() => nodes.id) });
    return { nodes, leaves };
  };

testOnEachDialect(
  "tables that refer to one another and to themselves are made, changed and dropped",
  async (context) => {
    const project = new MigrationProject(context);
    await project.change(declareTree(10));
    await project.run("insert into nodes (name) values ('root')");
    await project.run("insert into nodes (name, parent_id) values ('child', 1)");
    await project.run("insert into leaves (node_id) values (2)");
    await project.run("update nodes set leaf_id = 1 where id = 2");
    await project.change(declareTree(200));
    expect(await project.values("select name, parent_id, leaf_id from nodes order by id")).toEqual([
      ["root", null, null],
      ["child", "1", "1"],
    ]);
    await project.refusal("insert into nodes (name, parent_id) values ('lost', 99)");
    await project.change(() => ({}));
    await project.refusal("select * from nodes");
  },
);

const declarePairs =
  (isWide: boolean): Declare =>
  ({ table, integer, primaryKey }) => ({
    pairs: table(
      "pairs",
      { a: integer().notNull(), b: integer().notNull(), c: integer().notNull() },
      (self) => [primaryKey({ columns: isWide ? [self.a, self.b, self.c] : [self.a, self.b] })],
    ),
  });

testOnEachDialect("primary keys of several columns are made and changed", async (context) => {
  const project = new MigrationProject(context);
  await project.change(declarePairs(false));
  await project.run("insert into pairs (a, b, c) values (1, 1, 1)");
  await project.refusal("insert into pairs (a, b, c) values (1, 1, 2)");
  expect((await project.change(declarePairs(true))).losses).toEqual([
    'Changes the primary key of table "pairs": fails where rows have the same values',
  ]);
  await project.run("insert into pairs (a, b, c) values (1, 1, 2)");
  await project.refusal("insert into pairs (a, b, c) values (1, 1, 2)");
});

testOnEachDialect("ids of deleted rows aren't given again after a rebuild", async (context) => {
  const project = await createProject(context);
  await project.run("delete from articles");
  await project.change(
    withComments(({ table, id, varchar }) => ({
      articles: table("articles", { id: id(), title: varchar(200) }),
    })),
  );
  await project.run("insert into articles (title) values ('three')");
  expect(await project.values("select id from articles")).toEqual([["3"]]);
});

const declareCodes =
  (type: "integer" | "bigint"): Declare =>
  ({ table, id, foreignKey, ...types }) => {
    const codes = table("codes", { code: types[type]().primaryKey() });
    const uses = table("uses", { id: id(), code: types[type]().notNull() }, (self) => [
      foreignKey({ columns: [self.code], foreignColumns: [codes.code] }).onDelete("cascade"),
    ]);
    return { codes, uses };
  };

testOnEachDialect("columns on both ends of a foreign key change their type together", async (context) => {
  const project = new MigrationProject(context);
  await project.change(declareCodes("integer"));
  await project.run("insert into codes (code) values (7)");
  await project.run("insert into uses (code) values (7)");
  expect((await project.change(declareCodes("bigint"))).losses).toEqual([]);
  await project.run("insert into codes (code) values (5000000000)");
  await project.run("insert into uses (code) values (5000000000)");
  await project.refusal("insert into uses (code) values (8)");
  await project.run("delete from codes where code = 7");
  expect(await project.values("select code from uses")).toEqual([["5000000000"]]);
});
