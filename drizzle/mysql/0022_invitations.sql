CREATE TABLE `invitations` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`email` varchar(255) NOT NULL,
	`token_hash` varchar(64) NOT NULL,
	`roles` json NOT NULL,
	`invited_by` bigint,
	`is_mailed` boolean NOT NULL,
	`sent_at` datetime(3) NOT NULL,
	`expires_at` datetime(3) NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `invitations_inviter` (`invited_by`),
	INDEX `invitations_expiry` (`expires_at`),
	UNIQUE INDEX `invitations_email_unique` (`email`),
	UNIQUE INDEX `invitations_token_hash_unique` (`token_hash`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `invitations` ADD CONSTRAINT `invitations_invited_by_users_id_fk` FOREIGN KEY (`invited_by`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
