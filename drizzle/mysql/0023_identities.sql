CREATE TABLE `identities` (
	`id` bigint NOT NULL AUTO_INCREMENT,
	`user_id` bigint NOT NULL,
	`provider` varchar(32) NOT NULL,
	`issuer` varchar(255) NOT NULL,
	`subject` varchar(255) NOT NULL,
	`subject_hash` varchar(64) NOT NULL,
	`email` varchar(255),
	`roles` json NOT NULL,
	`last_used_at` datetime(3),
	`created_at` datetime(3) NOT NULL DEFAULT (utc_timestamp(3)),
	PRIMARY KEY (`id`),
	INDEX `identities_user` (`user_id`),
	UNIQUE INDEX `identities_subject_hash_unique` (`subject_hash`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `identity_sessions` (
	`session_id` char(36) NOT NULL,
	`identity_id` bigint NOT NULL,
	`sid_hash` varchar(64),
	`id_token` longtext,
	PRIMARY KEY (`session_id`),
	INDEX `identity_sessions_identity` (`identity_id`),
	INDEX `identity_sessions_sid` (`sid_hash`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
CREATE TABLE `identity_states` (
	`id` varchar(64) NOT NULL,
	`data` longtext,
	`expires_at` datetime(3) NOT NULL,
	PRIMARY KEY (`id`),
	INDEX `identity_states_expiry` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `sessions`
	ADD COLUMN `ends_at` datetime(3);
--> statement-breakpoint
ALTER TABLE `identities` ADD CONSTRAINT `identities_user_id_users_id_fk` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `identity_sessions` ADD CONSTRAINT `identity_sessions_session_id_sessions_id_fk` FOREIGN KEY (`session_id`) REFERENCES `sessions` (`id`) ON DELETE cascade ON UPDATE no action;
--> statement-breakpoint
ALTER TABLE `identity_sessions` ADD CONSTRAINT `identity_sessions_identity_id_identities_id_fk` FOREIGN KEY (`identity_id`) REFERENCES `identities` (`id`) ON DELETE cascade ON UPDATE no action;
