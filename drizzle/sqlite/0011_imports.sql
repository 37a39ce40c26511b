CREATE TABLE `resource_imports` (
	`id` text PRIMARY KEY NOT NULL,
	`plugin` text(64) NOT NULL,
	`resource` text(63) NOT NULL,
	`job_id` text NOT NULL,
	`user_id` integer,
	`api_key_id` integer,
	`asked` text NOT NULL,
	`done` integer DEFAULT 0 NOT NULL,
	`outcome` text,
	`report` text,
	`error` text,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`ended_at` integer,
	CONSTRAINT `resource_imports_plugin_length` CHECK(length("plugin") <= 64),
	CONSTRAINT `resource_imports_resource_length` CHECK(length("resource") <= 63),
	CONSTRAINT `resource_imports_outcome_check` CHECK("outcome" in ('completed', 'failed', 'cancelled'))
);
--> statement-breakpoint
CREATE INDEX `resource_imports_created` ON `resource_imports` (`created_at`);
--> statement-breakpoint
CREATE INDEX `resource_imports_open` ON `resource_imports` (`ended_at`, `user_id`);
--> statement-breakpoint
CREATE TABLE `resource_import_pieces` (
	`import_id` text NOT NULL,
	`place` integer NOT NULL,
	`content` text NOT NULL,
	PRIMARY KEY(`import_id`, `place`)
);
