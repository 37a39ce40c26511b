CREATE TABLE `resource_comments` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`table_name` varchar(64) NOT NULL,
	`row_key` varchar(255) NOT NULL,
	`author_id` bigint NOT NULL,
	`body` longtext NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`edited_at` datetime(3),
	PRIMARY KEY (`id`),
	INDEX `resource_comments_row` (`table_name`, `row_key`, `id`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
