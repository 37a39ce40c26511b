import { userInfo } from "node:os";
import { describe, expect, test } from "bun:test";
import { type DatabaseUrl, parseDatabaseUrl } from "../../../src/db/contract/database-url.ts";

const DIRECTORY = "/srv/shop";
const POSTGRES = {
  dialect: "postgres",
  host: "db",
  port: 5432,
  user: "u",
  password: "p",
  database: "shop",
  options: {},
};

const parsed: readonly (readonly [string, Partial<DatabaseUrl>])[] = [
  ["sqlite:data/app.db", { dialect: "sqlite", file: "/srv/shop/data/app.db", shown: "sqlite:data/app.db" }],
  ["sqlite:/var/lib/app.db", { file: "/var/lib/app.db" }],
  ["sqlite:../app.db", { file: "/srv/app.db" }],
  ["SQLITE:app.db", { file: "/srv/shop/app.db" }],
  // As SQLAlchemy reads them.
  ["sqlite:///data/app.db", { file: "/srv/shop/data/app.db" }],
  ["sqlite:////var/lib/app.db", { file: "/var/lib/app.db" }],
  ["sqlite:///./app.db", { file: "/srv/shop/app.db" }],
  ["sqlite+aiosqlite:///app.db", { file: "/srv/shop/app.db" }],
  ["sqlite:a b%20c.db", { file: "/srv/shop/a b%20c.db" }],
  ["postgresql://u:p@db/shop", { ...POSTGRES, shown: "postgresql://u@db:5432/shop" } as DatabaseUrl],
  ["postgres://u:p@db/shop", POSTGRES as DatabaseUrl],
  ["postgresql+asyncpg://u:p@db/shop", POSTGRES as DatabaseUrl],
  ["POSTGRESQL+psycopg2://u:p@db/shop", POSTGRES as DatabaseUrl],
  ["postgresql://u:p@db:6543/shop", { port: 6543 }],
  ["postgresql://u:p@[::1]:6543/shop", { host: "::1", port: 6543, shown: "postgresql://u@[::1]:6543/shop" }],
  ["postgresql://u%40x:p%2F%3A%40%23@db/sh%20op", { user: "u@x", password: "p/:@#", database: "sh op" }],
  ["postgresql://u:p@w@db/shop", { password: "p@w", host: "db" }],
  ["postgresql://u@db/shop", { user: "u", password: "" }],
  ["postgresql:///shop", { host: "localhost", user: userInfo().username }],
  [
    "postgresql://u:p@db/shop?sslmode=require",
    { options: { sslmode: "require" }, shown: "postgresql://u@db:5432/shop" },
  ],
  ["mysql://u:p@db/shop", { dialect: "mysql", port: 3306, shown: "mysql://u@db:3306/shop" }],
  ["mariadb://u:p@db/shop", { dialect: "mysql", port: 3306, shown: "mariadb://u@db:3306/shop" }],
  ["mysql+aiomysql://u:p@db/shop?charset=utf8mb4", { dialect: "mysql", options: { charset: "utf8mb4" } }],
  ["mariadb+asyncmy://u:p@db/shop", { dialect: "mysql" }],
];

describe("parseDatabaseUrl() reads", () => {
  test.each(parsed.map(([text, expected]) => [text, expected] as [string, object]))(
    "%s",
    (text, expected) => {
      expect(parseDatabaseUrl(text, DIRECTORY)).toMatchObject(expected);
    },
  );
});

const SECRET = "hunter2";

const refused: readonly (readonly [string, RegExp])[] = [
  ["", /no scheme/],
  ["data/app.db", /no scheme/],
  [`me:${SECRET}@db/shop`, /no scheme/],
  [
    `oracle://u:${SECRET}@db/shop`,
    /scheme "oracle": xcore runs on SQLite, PostgreSQL and MySQL\/MariaDB; use "sqlite:/,
  ],
  [`mssql+pyodbc://u:${SECRET}@db/shop`, /scheme "mssql\+pyodbc"/],
  [`mongodb://u:${SECRET}@db/shop`, /scheme "mongodb"/],
  ["sqlite::memory:", /in memory: xcore opens several connections/],
  ["sqlite:///:memory:", /in memory/],
  ["sqlite://", /in memory/],
  ["sqlite:", /in memory/],
  ["sqlite:///file::memory:?cache=shared", /in memory/],
  ["sqlite:///file:x?mode=memory&uri=true", /in memory/],
  ["sqlite://data/app.db", /after "\/\/" stands a host/],
  ["sqlite:app.db?mode=ro", /without options/],
  [`postgresql://u:${SECRET}@db`, /names no database/],
  [`postgresql://u:${SECRET}@db/`, /names no database/],
  [`postgresql://u:p/${SECRET}@db/shop`, /isn't "postgresql:\/\/user:password@host:port\/name"/],
  [`postgresql://u:12/${SECRET}@db/shop`, /isn't "postgresql:/],
  [`postgresql://u:12/${SECRET}@shop`, /isn't "postgresql:/],
  [`postgresql://u:p#${SECRET}@db/shop`, /isn't "postgresql:/],
  [`postgresql://u:12/x?${SECRET}@db/shop`, /isn't "postgresql:/],
  [`postgresql://u:%E0%A4%A${SECRET}@db/shop`, /isn't "postgresql:/],
  [`postgresql://u:${SECRET}@db:99999/shop`, /isn't "postgresql:/],
  [`postgresql://u:${SECRET}@db/shop?sslmod=require`, /"sslmod"/],
  [`postgresql://u:${SECRET}@db/shop?sslmode=on`, /"sslmode"/],
  [`mysql://u:${SECRET}@db/shop?password=${SECRET}`, /"password"/],
];

describe("parseDatabaseUrl() refuses", () => {
  test.each(refused.map(([text, message]) => [text.replaceAll(SECRET, "…"), text, message] as const))(
    "%s",
    (_, text, message) => {
      let error: unknown;
      try {
        parseDatabaseUrl(text, DIRECTORY);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(Error);
      expect((error as Error).message).toMatch(message);
      expect(Bun.inspect(error)).not.toContain(SECRET);
      expect((error as Error).cause).toBeUndefined();
    },
  );
});
