import { expect, test } from "bun:test";
import { findTransactionControl } from "../../../src/db/migrations/statement-parts.ts";

const STATEMENTS: Readonly<Record<string, string | null>> = {
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
  const found = Object.keys(STATEMENTS).map((text) => [text, findTransactionControl(text)]);
  expect(Object.fromEntries(found)).toEqual(STATEMENTS);
});
