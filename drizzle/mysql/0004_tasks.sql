CREATE TABLE `scheduled_tasks` (
	`name` varchar(130) NOT NULL,
	`plugin` varchar(64) NOT NULL,
	`expression` varchar(255) NOT NULL,
	`timezone` varchar(64),
	`is_paused` boolean NOT NULL DEFAULT false,
	`since_at` bigint NOT NULL,
	`seen_at` bigint NOT NULL,
	`last_due_at` bigint,
	`last_started_at` bigint,
	`last_ended_at` bigint,
	`last_duration_ms` bigint,
	`last_failed_at` bigint,
	`last_error` longtext,
	`runs` int NOT NULL DEFAULT 0,
	`failures` int NOT NULL DEFAULT 0,
	`skips` int NOT NULL DEFAULT 0,
	`run_id` char(36),
	`lease_at` bigint,
	PRIMARY KEY (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `task_ticks` (
	`name` varchar(130) NOT NULL,
	`due_at` bigint NOT NULL,
	PRIMARY KEY (`name`, `due_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
