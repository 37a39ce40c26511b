CREATE TABLE `stored_files` (
	`id` text PRIMARY KEY NOT NULL,
	`plugin` text(64) NOT NULL,
	`key` text(255),
	`table_name` text(64),
	`column_name` text(64),
	`row_key` text(255),
	`name` text(255) NOT NULL,
	`type` text(255) NOT NULL,
	`size` integer NOT NULL,
	`hash` text(64) NOT NULL,
	`created_by` integer,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`expires_at` integer,
	CONSTRAINT `stored_files_plugin_length` CHECK(length("plugin") <= 64),
	CONSTRAINT `stored_files_key_length` CHECK(length("key") <= 255),
	CONSTRAINT `stored_files_table_name_length` CHECK(length("table_name") <= 64),
	CONSTRAINT `stored_files_column_name_length` CHECK(length("column_name") <= 64),
	CONSTRAINT `stored_files_row_key_length` CHECK(length("row_key") <= 255),
	CONSTRAINT `stored_files_name_length` CHECK(length("name") <= 255),
	CONSTRAINT `stored_files_type_length` CHECK(length("type") <= 255),
	CONSTRAINT `stored_files_hash_length` CHECK(length("hash") <= 64)
);
--> statement-breakpoint
CREATE INDEX `stored_files_row` ON `stored_files` (`table_name`, `column_name`);
--> statement-breakpoint
CREATE INDEX `stored_files_expiry` ON `stored_files` (`expires_at`);
--> statement-breakpoint
CREATE UNIQUE INDEX `stored_files_key` ON `stored_files` (`plugin`, `key`);
