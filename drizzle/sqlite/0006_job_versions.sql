CREATE TABLE `job_versions` (
	`worker` text NOT NULL,
	`name` text(130) NOT NULL,
	`version` text(64) NOT NULL,
	`seen_at` integer NOT NULL,
	PRIMARY KEY(`worker`, `name`),
	CONSTRAINT `job_versions_name_length` CHECK(length("name") <= 130),
	CONSTRAINT `job_versions_version_length` CHECK(length("version") <= 64)
);
--> statement-breakpoint
CREATE TABLE `__xcore_new_jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text(130) NOT NULL,
	`state` text NOT NULL,
	`rank` integer DEFAULT 0 NOT NULL,
	`due_at` integer,
	`payload` text NOT NULL,
	`version` text(64),
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
	CONSTRAINT `jobs_version_length` CHECK(length("version") <= 64),
	CONSTRAINT `jobs_unique_hash_length` CHECK(length("unique_hash") <= 64),
	CONSTRAINT `jobs_lane_length` CHECK(length("lane") <= 64),
	CONSTRAINT `jobs_held_lane_length` CHECK(length("held_lane") <= 64),
	CONSTRAINT `jobs_progress_text_length` CHECK(length("progress_text") <= 255)
);
--> statement-breakpoint
INSERT INTO `__xcore_new_jobs`(`id`, `name`, `state`, `rank`, `due_at`, `payload`, `attempt`, `lost`, `worker`, `unique_hash`, `lane`, `held_lane`, `batch_id`, `awaits_id`, `next_id`, `progress`, `progress_text`, `error`, `created_at`, `started_at`, `ended_at`) SELECT `id`, `name`, `state`, `rank`, `due_at`, `payload`, `attempt`, `lost`, `worker`, `unique_hash`, `lane`, `held_lane`, `batch_id`, `awaits_id`, `next_id`, `progress`, `progress_text`, `error`, `created_at`, `started_at`, `ended_at` FROM `jobs`;
--> statement-breakpoint
DROP TABLE `jobs`;
--> statement-breakpoint
ALTER TABLE `__xcore_new_jobs` RENAME TO `jobs`;
--> statement-breakpoint
CREATE INDEX `jobs_waiting` ON `jobs` (`name`, `state`, `rank`, `id`);
--> statement-breakpoint
CREATE INDEX `jobs_due` ON `jobs` (`state`, `due_at`);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_unique_hash_unique` ON `jobs` (`unique_hash`);
--> statement-breakpoint
CREATE UNIQUE INDEX `jobs_held_lane_unique` ON `jobs` (`held_lane`);
