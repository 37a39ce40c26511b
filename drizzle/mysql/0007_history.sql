CREATE TABLE `resource_history` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`table_name` varchar(64) NOT NULL,
	`row_key` varchar(255) NOT NULL,
	`verb` varchar(64) NOT NULL,
	`actor_id` bigint,
	`at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`changes` longtext NOT NULL,
	PRIMARY KEY (`id`),
	INDEX `resource_history_row` (`table_name`, `row_key`, `id`),
	CONSTRAINT `resource_history_verb_check` CHECK (`verb` in ('create', 'update', 'delete', 'restore', 'revert'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
