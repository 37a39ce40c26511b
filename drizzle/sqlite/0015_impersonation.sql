ALTER TABLE `sessions` ADD `viewer_session_id` text;
--> statement-breakpoint
CREATE INDEX `sessions_viewer` ON `sessions` (`viewer_session_id`);
--> statement-breakpoint
ALTER TABLE `audit_log` ADD `viewer_id` integer;
--> statement-breakpoint
ALTER TABLE `audit_log` ADD `viewer` text;
--> statement-breakpoint
CREATE INDEX `audit_log_viewer` ON `audit_log` (`viewer_id`, `at`);
--> statement-breakpoint
ALTER TABLE `resource_history` ADD `viewer_id` integer;
