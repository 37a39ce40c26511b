CREATE TABLE `mails` (
	`id` text PRIMARY KEY NOT NULL,
	`plugin` text(64) NOT NULL,
	`template` text(128) NOT NULL,
	`language` text(8) NOT NULL,
	`recipient` text(255) NOT NULL,
	`subject` text(255) NOT NULL,
	`state` text NOT NULL,
	`content` text,
	`attempts` integer DEFAULT 0 NOT NULL,
	`job_id` text,
	`claimed_at` integer,
	`response` text(255),
	`error` text,
	`created_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	`due_at` integer,
	`expires_at` integer,
	`ended_at` integer,
	CONSTRAINT `mails_plugin_length` CHECK(length("plugin") <= 64),
	CONSTRAINT `mails_template_length` CHECK(length("template") <= 128),
	CONSTRAINT `mails_language_length` CHECK(length("language") <= 8),
	CONSTRAINT `mails_recipient_length` CHECK(length("recipient") <= 255),
	CONSTRAINT `mails_subject_length` CHECK(length("subject") <= 255),
	CONSTRAINT `mails_state_check` CHECK("state" in ('waiting', 'sending', 'sent', 'failed', 'unknown', 'logged', 'cancelled')),
	CONSTRAINT `mails_response_length` CHECK(length("response") <= 255)
);
--> statement-breakpoint
CREATE INDEX `mails_state` ON `mails` (`state`, `id`);
--> statement-breakpoint
CREATE INDEX `mails_recipient` ON `mails` (`recipient`, `claimed_at`);
--> statement-breakpoint
CREATE INDEX `mails_ended` ON `mails` (`ended_at`);
