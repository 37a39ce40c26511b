CREATE TABLE `resource_imports` (
	`id` char(36) NOT NULL,
	`plugin` varchar(64) NOT NULL,
	`resource` varchar(63) NOT NULL,
	`job_id` char(36) NOT NULL,
	`user_id` bigint,
	`api_key_id` bigint,
	`asked` longtext NOT NULL,
	`done` int NOT NULL DEFAULT 0,
	`outcome` varchar(64),
	`report` longtext,
	`error` longtext,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`ended_at` datetime(3),
	PRIMARY KEY (`id`),
	INDEX `resource_imports_created` (`created_at`),
	INDEX `resource_imports_open` (`ended_at`, `user_id`),
	CONSTRAINT `resource_imports_outcome_check` CHECK (`outcome` in ('completed', 'failed', 'cancelled'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `resource_import_pieces` (
	`import_id` char(36) NOT NULL,
	`place` int NOT NULL,
	`content` longtext NOT NULL,
	PRIMARY KEY (`import_id`, `place`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
