CREATE TABLE `resource_comments` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`table_name` text(64) NOT NULL,
	`row_key` text(255) NOT NULL,
	`author_id` integer NOT NULL,
	`body` text NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`edited_at` integer,
	CONSTRAINT `resource_comments_table_name_length` CHECK(length("table_name") <= 64),
	CONSTRAINT `resource_comments_row_key_length` CHECK(length("row_key") <= 255)
);
--> statement-breakpoint
CREATE INDEX `resource_comments_row` ON `resource_comments` (`table_name`, `row_key`, `id`);
