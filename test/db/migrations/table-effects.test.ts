import { expect, test } from "bun:test";
import { findTableEffects, type TableEffect } from "../../../src/db/migrations/table-effects.ts";

const create = (table: string): TableEffect => ({ kind: "create", table });
const alter = (table: string): TableEffect => ({ kind: "alter", table });
const drop = (table: string): TableEffect => ({ kind: "drop", table });
const rename = (table: string, to: string): TableEffect => ({ kind: "rename", table, to });

const STATEMENTS: Readonly<Record<string, readonly TableEffect[]>> = {
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
  for (const [statement, effects] of Object.entries(STATEMENTS)) {
    expect({ statement, effects: findTableEffects(statement) }).toEqual({ statement, effects: [...effects] });
  }
});
