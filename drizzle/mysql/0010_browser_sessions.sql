CREATE TABLE `session_tickets` (
	`id` varchar(64) NOT NULL,
	`session_id` char(36) NOT NULL,
	`expires_at` datetime(3) NOT NULL,
	PRIMARY KEY (`id`),
	INDEX `session_tickets_session` (`session_id`),
	INDEX `session_tickets_expiry` (`expires_at`)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
--> statement-breakpoint
ALTER TABLE `sessions`
	ADD COLUMN `identified_at` datetime(3),
	ADD COLUMN `cookie_at` datetime(3);
--> statement-breakpoint
ALTER TABLE `session_tickets` ADD CONSTRAINT `session_tickets_session_id_sessions_id_fk` FOREIGN KEY (`session_id`) REFERENCES `sessions` (`id`) ON DELETE cascade ON UPDATE no action;
