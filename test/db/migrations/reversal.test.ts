import { expect, test } from "bun:test";
import { toReversal } from "../../../src/db/migrations/reversal.ts";

test("toReversal() drops what was added, and gives renamed things their names again", () => {
  const statements = [
    "ALTER TABLE `notes`\n\tADD CONSTRAINT `guard` CHECK (1 = 0)",
    "CREATE TABLE `tags` (\n\t`id` bigint, CONSTRAINT `x` CHECK (a in ('b', 'c'))\n) DEFAULT CHARACTER SET utf8mb4",
    "ALTER TABLE `notes`\n\tADD COLUMN `lang` varchar(2) DEFAULT 'a,b',\n\tADD COLUMN `price` decimal(15,2)",
    "UPDATE `notes` SET `lang` = concat('x', 'y')",
    "ALTER TABLE `notes`\n\tDROP CONSTRAINT `guard`,\n\tMODIFY COLUMN `lang` varchar(2) NOT NULL,\n\tADD UNIQUE INDEX `u` (`lang`, `price`),\n\tADD CONSTRAINT `c` CHECK (`price` > 0)",
    "ALTER TABLE `notes` ADD CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `tags` (`id`) ON DELETE CASCADE ON UPDATE NO ACTION",
    "ALTER TABLE `notes` RENAME COLUMN `a` TO `b`",
    "alter table notes rename to pages;",
  ];
  expect(toReversal(statements)).toEqual({
    lost: null,
    statements: [
      null,
      "DROP TABLE `tags`",
      "ALTER TABLE `notes` DROP COLUMN `price`, DROP COLUMN `lang`",
      null,
      "ALTER TABLE `notes` DROP CONSTRAINT `c`, DROP INDEX `u`",
      "ALTER TABLE `notes` DROP FOREIGN KEY `f`",
      "ALTER TABLE `notes` RENAME COLUMN `b` TO `a`",
      "ALTER TABLE `pages` RENAME TO `notes`",
    ],
  });
});

test.each([
  "DROP TABLE `notes`",
  "ALTER TABLE `notes` DROP COLUMN `a`",
  "ALTER TABLE `notes` ADD COLUMN `b` integer, DROP COLUMN `a`",
  "ALTER TABLE `notes` MODIFY COLUMN `a` integer",
  "ALTER TABLE `notes` DROP CONSTRAINT `of_before`",
  "ALTER TABLE `notes` DROP INDEX `a`",
  "ALTER TABLE `notes` ADD PRIMARY KEY (`a`)",
  "UPDATE `notes` SET `title` = 'x'",
  "UPDATE `notes` SET `new` = 'x', `title` = 'y'",
  "UPDATE `other` SET `new` = 'x'",
  "insert into notes (title) values ('x')",
  "delete from notes",
  "create table if not exists notes (id integer)",
  "create trigger x before insert on notes for each row set new.a = 1",
  "truncate table notes",
])("toReversal() doesn't know how to take back %p", (statement) => {
  const first = "ALTER TABLE `notes` ADD COLUMN `new` integer";
  expect(toReversal([first, statement])).toMatchObject({ lost: 2 });
});
