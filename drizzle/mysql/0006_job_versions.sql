CREATE TABLE `job_versions` (
	`worker` char(36) NOT NULL,
	`name` varchar(130) NOT NULL,
	`version` varchar(64) NOT NULL,
	`seen_at` bigint NOT NULL,
	PRIMARY KEY (`worker`, `name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `jobs`
	ADD COLUMN `version` varchar(64);
