CREATE TABLE `users` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`email` varchar(255) NOT NULL,
	`full_name` varchar(255),
	`is_active` boolean NOT NULL DEFAULT true,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`updated_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	UNIQUE INDEX `users_email_unique` (`email`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
