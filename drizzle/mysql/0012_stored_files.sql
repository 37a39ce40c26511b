CREATE TABLE `stored_files` (
	`id` char(36) NOT NULL,
	`plugin` varchar(64) NOT NULL,
	`key` varchar(255),
	`table_name` varchar(64),
	`column_name` varchar(64),
	`row_key` varchar(255),
	`name` varchar(255) NOT NULL,
	`type` varchar(255) NOT NULL,
	`size` bigint NOT NULL,
	`hash` varchar(64) NOT NULL,
	`created_by` bigint,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`expires_at` datetime(3),
	PRIMARY KEY (`id`),
	INDEX `stored_files_row` (`table_name`, `column_name`),
	INDEX `stored_files_expiry` (`expires_at`),
	UNIQUE INDEX `stored_files_key` (`plugin`, `key`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
