CREATE TABLE `todo_todos` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`title` varchar(200) NOT NULL,
	`done` boolean NOT NULL DEFAULT false,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `todo_todos_done` (`done`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
