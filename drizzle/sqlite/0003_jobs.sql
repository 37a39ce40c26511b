CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text(130) NOT NULL,
	`state` text NOT NULL,
	`rank` integer DEFAULT 0 NOT NULL,
	`due_at` integer,
	`payload` text NOT NULL,
	`attempt` integer DEFAULT 0 NOT NULL,
	`lost` integer DEFAULT 0 NOT NULL,
	`worker` text,
	`unique_hash` text(64),
	`lane` text(64),
	`held_lane` text(64),
	`batch_id` text,
	`awaits_id` text,
	`next_id` text,
	`progress` integer,
	`progress_text` text(255),
	`error` text,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`started_at` integer,
	`ended_at` integer,
	CONSTRAINT `jobs_name_length` CHECK(length("name") <= 130),
	CONSTRAINT `jobs_state_check` CHECK("state" in ('waiting', 'delayed', 'blocked', 'running', 'completed', 'dead', 'cancelled', 'incompatible')),
	CONSTRAINT `jobs_unique_hash_length` CHECK(length("unique_hash") <= 64),
	CONSTRAINT `jobs_lane_length` CHECK(length("lane") <= 64),
	CONSTRAINT `jobs_held_lane_length` CHECK(length("held_lane") <= 64),
	CONSTRAINT `jobs_progress_text_length` CHECK(length("progress_text") <= 255)
);
--> statement-breakpoint
CREATE INDEX `jobs_waiting` ON `jobs` (`name`, `state`, `rank`, `id`);
--> statement-breakpoint
CREATE INDEX `jobs_due` ON `jobs` (`state`, `due_at`);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_unique_hash_unique` ON `jobs` (`unique_hash`);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_held_lane_unique` ON `jobs` (`held_lane`);
--> statement-breakpoint
CREATE TABLE `job_steps` (
	`job_id` text NOT NULL,
	`name` text(128) NOT NULL,
	`result` text,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	PRIMARY KEY(`job_id`, `name`),
	CONSTRAINT `job_steps_name_length` CHECK(length("name") <= 128)
);
--> statement-breakpoint
CREATE TABLE `job_batches` (
	`id` text PRIMARY KEY NOT NULL,
	`callback_id` text NOT NULL,
	`total` integer NOT NULL,
	`pending` integer NOT NULL,
	`failed` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE TABLE `job_limits` (
	`name` text(130) PRIMARY KEY NOT NULL,
	`window_at` integer DEFAULT 0 NOT NULL,
	`started` integer DEFAULT 0 NOT NULL,
	CONSTRAINT `job_limits_name_length` CHECK(length("name") <= 130)
);
