CREATE TABLE `passkeys` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`user_id` bigint NOT NULL,
	`name` varchar(100) NOT NULL,
	`credential_hash` varchar(64) NOT NULL,
	`credential_id` longtext NOT NULL,
	`public_key` longtext NOT NULL,
	`user_handle` varchar(64) NOT NULL,
	`rp_id` varchar(255) NOT NULL,
	`sign_count` bigint NOT NULL DEFAULT 0,
	`transports` json NOT NULL,
	`is_synced` boolean NOT NULL DEFAULT false,
	`last_used_at` datetime(3),
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `passkeys_user` (`user_id`),
	UNIQUE INDEX `passkeys_credential_hash_unique` (`credential_hash`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `passkey_challenges` (
	`id` varchar(64) NOT NULL,
	`expires_at` datetime(3) NOT NULL,
	PRIMARY KEY (`id`),
	INDEX `passkey_challenges_expiry` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `passkeys` ADD CONSTRAINT `passkeys_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
