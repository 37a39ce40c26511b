CREATE TABLE `account_links` (
	`id` varchar(64) NOT NULL,
	`user_id` bigint NOT NULL,
	`purpose` varchar(64) NOT NULL,
	`bound_hash` varchar(64),
	`data` json NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	`expires_at` datetime(3) NOT NULL,
	PRIMARY KEY (`id`),
	INDEX `account_links_user` (`user_id`, `purpose`),
	INDEX `account_links_expiry` (`expires_at`),
	CONSTRAINT `account_links_purpose_check` CHECK (`purpose` in ('reset_password', 'verify_email', 'change_email', 'undo_email_change', 'report_change', 'keep_account'))
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `users`
	ADD COLUMN `email_verified_at` datetime(3),
	ADD COLUMN `locked_at` datetime(3),
	ADD COLUMN `deletion_at` datetime(3),
	ADD INDEX `users_deletion_at` (`deletion_at`);
--> statement-breakpoint
ALTER TABLE `account_links` ADD CONSTRAINT `account_links_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
