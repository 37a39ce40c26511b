CREATE TABLE `resource_history` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`table_name` text(64) NOT NULL,
	`row_key` text(255) NOT NULL,
	`verb` text NOT NULL,
	`actor_id` integer,
	`at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`changes` text NOT NULL,
	CONSTRAINT `resource_history_table_name_length` CHECK(length("table_name") <= 64),
	CONSTRAINT `resource_history_row_key_length` CHECK(length("row_key") <= 255),
	CONSTRAINT `resource_history_verb_check` CHECK("verb" in ('create', 'update', 'delete', 'restore', 'revert'))
);
--> statement-breakpoint
CREATE INDEX `resource_history_row` ON `resource_history` (`table_name`, `row_key`, `id`);
