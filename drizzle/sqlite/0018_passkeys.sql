CREATE TABLE `passkeys` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer NOT NULL,
	`name` text(100) NOT NULL,
	`credential_hash` text(64) NOT NULL,
	`credential_id` text NOT NULL,
	`public_key` text NOT NULL,
	`user_handle` text(64) NOT NULL,
	`rp_id` text(255) NOT NULL,
	`sign_count` integer DEFAULT 0 NOT NULL,
	`transports` text NOT NULL,
	`is_synced` integer DEFAULT 0 NOT NULL,
	`last_used_at` integer,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `passkeys_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `passkeys_name_length` CHECK(length("name") <= 100),
	CONSTRAINT `passkeys_credential_hash_length` CHECK(length("credential_hash") <= 64),
	CONSTRAINT `passkeys_user_handle_length` CHECK(length("user_handle") <= 64),
	CONSTRAINT `passkeys_rp_id_length` CHECK(length("rp_id") <= 255)
);
--> statement-breakpoint
CREATE INDEX `passkeys_user` ON `passkeys` (`user_id`);
--> statement-breakpoint
CREATE UNIQUE INDEX `passkeys_credential_hash_unique` ON `passkeys` (`credential_hash`);
--> statement-breakpoint
CREATE TABLE `passkey_challenges` (
	`id` text(64) PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL,
	CONSTRAINT `passkey_challenges_id_length` CHECK(length("id") <= 64)
);
--> statement-breakpoint
CREATE INDEX `passkey_challenges_expiry` ON `passkey_challenges` (`expires_at`);
