CREATE TABLE `plugin_states` (
	`name` varchar(64) NOT NULL,
	`is_active` boolean,
	`settings` json,
	`changed_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
