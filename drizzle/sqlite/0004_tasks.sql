CREATE TABLE `scheduled_tasks` (
	`name` text(130) PRIMARY KEY NOT NULL,
	`plugin` text(64) NOT NULL,
	`expression` text(255) NOT NULL,
	`timezone` text(64),
	`is_paused` integer DEFAULT 0 NOT NULL,
	`since_at` integer NOT NULL,
	`seen_at` integer NOT NULL,
	`last_due_at` integer,
	`last_started_at` integer,
	`last_ended_at` integer,
	`last_duration_ms` integer,
	`last_failed_at` integer,
	`last_error` text,
	`runs` integer DEFAULT 0 NOT NULL,
	`failures` integer DEFAULT 0 NOT NULL,
	`skips` integer DEFAULT 0 NOT NULL,
	`run_id` text,
	`lease_at` integer,
	CONSTRAINT `scheduled_tasks_name_length` CHECK(length("name") <= 130),
	CONSTRAINT `scheduled_tasks_plugin_length` CHECK(length("plugin") <= 64),
	CONSTRAINT `scheduled_tasks_expression_length` CHECK(length("expression") <= 255),
	CONSTRAINT `scheduled_tasks_timezone_length` CHECK(length("timezone") <= 64)
);
--> statement-breakpoint
CREATE TABLE `task_ticks` (
	`name` text(130) NOT NULL,
	`due_at` integer NOT NULL,
	PRIMARY KEY(`name`, `due_at`),
	CONSTRAINT `task_ticks_name_length` CHECK(length("name") <= 130)
);
