import { expect, test } from "bun:test";
import {
  findTableEffects,
  findTransactionControl,
  type TableEffect,
} from "../../../src/db/migrations/statements.ts";

const CONTROLS: Readonly<Record<string, string | null>> = {
  COMMIT: "COMMIT",
  "-- ready\n/* now */ commit;": "commit",
  "insert into a values (1); rollback; select 1": "rollback",
  "start  transaction read only": "start  transaction",
  "BEGIN IMMEDIATE": "BEGIN",
  end: "end",
  "savepoint a": "savepoint",
  "insert into a values ('; commit; ')": null,
  "-- ; commit;\nselect 1": null,
  "create table commit_log (id int)": null,
  "select 'it''s'; update endings set x = 1": null,
  "create trigger a after insert on b begin update c set d = 1; end;": null,
  "CREATE OR REPLACE FUNCTION a() RETURNS void LANGUAGE sql BEGIN ATOMIC select 1; END": null,
  "do $$ begin perform 1; end $$": null,
};

test("findTransactionControl() finds what would end a migration's transaction", () => {
  const found = Object.keys(CONTROLS).map((text) => [text, findTransactionControl(text)]);
  expect(Object.fromEntries(found)).toEqual(CONTROLS);
});

const create = (table: string): TableEffect => ({ kind: "create", table });
const alter = (table: string): TableEffect => ({ kind: "alter", table });
const drop = (table: string): TableEffect => ({ kind: "drop", table });
const rename = (table: string, to: string): TableEffect => ({ kind: "rename", table, to });

const EFFECTS: Readonly<Record<string, readonly TableEffect[]>> = {
  'CREATE TABLE "users" (id integer);': [create("users")],
  "create table if not exists `Users`(id int) default character set utf8mb4": [create("users")],
  "create unlogged table users as select * from other": [create("users")],
  'CREATE TABLE "public"."users" ()': [create("users")],
  "create temporary table scratch (id int)": [],
  "ALTER TABLE users ADD COLUMN name text": [alter("users")],
  "alter table if exists only public.users drop column rename": [alter("users")],
  "alter table users rename column a to b": [alter("users")],
  "alter table users rename a to b": [alter("users")],
  "alter table users rename constraint a to b": [alter("users")],
  'ALTER TABLE "users" RENAME TO "people";': [rename("users", "people")],
  "rename table users to people, `a` to `b`": [rename("users", "people"), rename("a", "b")],
  "drop table if exists users, [posts] cascade": [drop("users"), drop("posts")],
  "create unique index concurrently if not exists ix on only users (a)": [alter("users")],
  "CREATE INDEX `ix` ON `users` (`on`)": [alter("users")],
  "drop index ix on users": [alter("users")],
  "drop index ix": [],
  "truncate table users": [alter("users")],
  "-- create table a\n/* drop table b */ alter table c add d int": [alter("c")],
  "insert into users values ('; drop table posts; it''s')": [],
  "select 1; drop table posts": [drop("posts")],
  "do $body$ begin; drop table posts; end $body$": [],
  "update users set a = 1": [],
};

test("findTableEffects() finds what a statement does to tables", () => {
  for (const [statement, effects] of Object.entries(EFFECTS)) {
    expect({ statement, effects: findTableEffects(statement) }).toEqual({ statement, effects: [...effects] });
  }
});
