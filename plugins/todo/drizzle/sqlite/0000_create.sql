CREATE TABLE `todo_todos` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`title` text(200) NOT NULL,
	`done` integer DEFAULT 0 NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `todo_todos_title_length` CHECK(length("title") <= 200)
);
--> statement-breakpoint
CREATE INDEX `todo_todos_done` ON `todo_todos` (`done`);
