CREATE TABLE `idempotency_keys` (
	`id` varchar(64) NOT NULL,
	`fingerprint` varchar(64) NOT NULL,
	`answer` longtext,
	`expires_at` datetime(3) NOT NULL,
	PRIMARY KEY (`id`),
	INDEX `idempotency_keys_expiry` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
