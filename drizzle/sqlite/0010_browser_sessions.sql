CREATE TABLE `session_tickets` (
	`id` text(64) PRIMARY KEY NOT NULL,
	`session_id` text NOT NULL,
	`expires_at` integer NOT NULL,
	CONSTRAINT `session_tickets_session_id_sessions_id_fk` FOREIGN KEY (`session_id`) REFERENCES `sessions`(`id`) ON UPDATE no action ON DELETE cascade,
	CONSTRAINT `session_tickets_id_length` CHECK(length("id") <= 64)
);
--> statement-breakpoint
CREATE INDEX `session_tickets_session` ON `session_tickets` (`session_id`);
--> statement-breakpoint
CREATE INDEX `session_tickets_expiry` ON `session_tickets` (`expires_at`);
--> statement-breakpoint
ALTER TABLE `sessions` ADD `identified_at` integer;
--> statement-breakpoint
ALTER TABLE `sessions` ADD `cookie_at` integer;
