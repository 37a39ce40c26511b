CREATE TABLE `number_series` (
	`name` varchar(255) NOT NULL,
	`last` bigint NOT NULL,
	PRIMARY KEY (`name`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
