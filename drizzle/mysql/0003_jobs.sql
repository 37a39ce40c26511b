CREATE TABLE `jobs` (
	`id` char(36) NOT NULL,
	`name` varchar(130) NOT NULL,
	`state` varchar(64) NOT NULL,
	`rank` int NOT NULL DEFAULT 0,
	`due_at` bigint,
	`payload` longtext NOT NULL,
	`attempt` int NOT NULL DEFAULT 0,
	`lost` int NOT NULL DEFAULT 0,
	`worker` char(36),
	`unique_hash` varchar(64),
	`lane` varchar(64),
	`held_lane` varchar(64),
	`batch_id` char(36),
	`awaits_id` char(36),
	`next_id` char(36),
	`progress` int,
	`progress_text` varchar(255),
	`error` longtext,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`started_at` datetime(3),
	`ended_at` datetime(3),
	PRIMARY KEY (`id`),
	INDEX `jobs_waiting` (`name`, `state`, `rank`, `id`),
	INDEX `jobs_due` (`state`, `due_at`),
	UNIQUE INDEX `jobs_unique_hash_unique` (`unique_hash`),
	UNIQUE INDEX `jobs_held_lane_unique` (`held_lane`),
	CONSTRAINT `jobs_state_check` CHECK (`state` in ('waiting', 'delayed', 'blocked', 'running', 'completed', 'dead', 'cancelled', 'incompatible'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `job_steps` (
	`job_id` char(36) NOT NULL,
	`name` varchar(128) NOT NULL,
	`result` longtext,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`job_id`, `name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `job_batches` (
	`id` char(36) NOT NULL,
	`callback_id` char(36) NOT NULL,
	`total` int NOT NULL,
	`pending` int NOT NULL,
	`failed` int NOT NULL DEFAULT 0,
	PRIMARY KEY (`id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `job_limits` (
	`name` varchar(130) NOT NULL,
	`window_at` bigint NOT NULL DEFAULT 0,
	`started` int NOT NULL DEFAULT 0,
	PRIMARY KEY (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
