CREATE TABLE `identities` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`user_id` integer NOT NULL,
	`provider` text(32) NOT NULL,
	`issuer` text(255) NOT NULL,
	`subject` text(255) NOT NULL,
	`subject_hash` text(64) NOT NULL,
	`email` text(255),
	`roles` text NOT NULL,
	`last_used_at` integer,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `identities_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `identities_provider_length` CHECK(length("provider") <= 32),
	CONSTRAINT `identities_issuer_length` CHECK(length("issuer") <= 255),
	CONSTRAINT `identities_subject_length` CHECK(length("subject") <= 255),
	CONSTRAINT `identities_subject_hash_length` CHECK(length("subject_hash") <= 64),
	CONSTRAINT `identities_email_length` CHECK(length("email") <= 255)
);
--> statement-breakpoint
CREATE INDEX `identities_user` ON `identities` (`user_id`);
--> statement-breakpoint
CREATE UNIQUE INDEX `identities_subject_hash_unique` ON `identities` (`subject_hash`);
--> statement-breakpoint
CREATE TABLE `identity_sessions` (
	`session_id` text PRIMARY KEY NOT NULL,
	`identity_id` integer NOT NULL,
	`sid_hash` text(64),
	`id_token` text,
	CONSTRAINT `identity_sessions_session_id_sessions_id_fk` FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `identity_sessions_identity_id_identities_id_fk` FOREIGN KEY (`identity_id`) REFERENCES `identities`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `identity_sessions_sid_hash_length` CHECK(length("sid_hash") <= 64)
);
--> statement-breakpoint
CREATE INDEX `identity_sessions_identity` ON `identity_sessions` (`identity_id`);
--> statement-breakpoint
CREATE INDEX `identity_sessions_sid` ON `identity_sessions` (`sid_hash`);
--> statement-breakpoint
CREATE TABLE `identity_states` (
	`id` text(64) PRIMARY KEY NOT NULL,
	`data` text,
	`expires_at` integer NOT NULL,
	CONSTRAINT `identity_states_id_length` CHECK(length("id") <= 64)
);
--> statement-breakpoint
CREATE INDEX `identity_states_expiry` ON `identity_states` (`expires_at`);
--> statement-breakpoint
ALTER TABLE `sessions` ADD `ends_at` integer;
