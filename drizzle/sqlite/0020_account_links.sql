CREATE TABLE `account_links` (
	`id` text(64) PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`purpose` text NOT NULL,
	`bound_hash` text(64),
	`data` text NOT NULL,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`expires_at` integer NOT NULL,
	CONSTRAINT `account_links_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `account_links_id_length` CHECK(length("id") <= 64),
	CONSTRAINT `account_links_purpose_check` CHECK("purpose" in ('reset_password', 'verify_email', 'change_email', 'undo_email_change', 'report_change', 'keep_account')),
	CONSTRAINT `account_links_bound_hash_length` CHECK(length("bound_hash") <= 64)
);
--> statement-breakpoint
CREATE INDEX `account_links_user` ON `account_links` (`user_id`, `purpose`);
--> statement-breakpoint
CREATE INDEX `account_links_expiry` ON `account_links` (`expires_at`);
--> statement-breakpoint
ALTER TABLE `users` ADD `email_verified_at` integer;
--> statement-breakpoint
ALTER TABLE `users` ADD `locked_at` integer;
--> statement-breakpoint
ALTER TABLE `users` ADD `deletion_at` integer;
--> statement-breakpoint
CREATE INDEX `users_deletion_at` ON `users` (`deletion_at`);
