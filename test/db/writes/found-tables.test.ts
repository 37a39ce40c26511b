import { expect, test } from "bun:test";
import { findWrites } from "../../../src/db/writes/found-tables.ts";

const show = (sql: string): string =>
  findWrites(sql)
    .map((write) => (write === null ? "any" : `${write.verb} ${write.table}`))
    .join(", ");

test.each([
  ['insert into "blog_articles" ("id") values (null) returning "id"', "insert blog_articles"],
  ["insert or replace into `a` values (1)", "insert a, delete a"],
  ["replace into a values (1)", "insert a, delete a"],
  ["insert ignore a values (1)", "insert a"],
  ["insert into a (x) values (1) on conflict (x) do update set x = 2", "insert a, update a"],
  ["insert into a (x) values (1) on duplicate key update x = 2", "insert a, update a"],
  ["insert into a (x) select x from b for update", "insert a"],
  ['update "A" set x = (select y from b) where z = 1', "update a"],
  ["update or ignore a set x = replace(x, 'a', 'b')", "update a"],
  ["update only public.a set x = 1", "update a"],
  ["update a join b on a.id = b.id set a.x = b.x", "update a, update b"],
  ["update a, b set a.x = b.x", "update a, update b"],
  ["delete from a where id in (select id from b)", "delete a"],
  ["delete from [a b] where x = 'insert into c'", "delete a b"],
  ["delete a, b from a join b on a.id = b.id", "delete a, delete b"],
  ['with m as (delete from a returning *) insert into "s"."b" select * from m', "delete a, insert b"],
  ["/* update z set x */ update a set x = 1 -- delete from y", "update a"],
  ["truncate table a, b", "delete a, delete b"],
  ["merge into a using b on true when matched then delete", "insert a, update a, delete a"],
  ["copy a from stdin", "insert a"],
  ["select * from a for update", ""],
  ["with x as (select 1) select * from x", ""],
  ["set time_zone = '+00:00'", ""],
  ["pragma user_version = 1", ""],
  ["create table a (id int references b on delete cascade)", ""],
  ["call recount()", "any"],
  ["do $$ begin delete from a; end $$", "any"],
  ["drop table a", "any"],
])("findWrites() finds the tables of %p", (sql, expected) => {
  expect(show(sql)).toBe(expected);
});
