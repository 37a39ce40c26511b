ALTER TABLE `sessions`
	ADD COLUMN `viewer_session_id` char(36),
	ADD INDEX `sessions_viewer` (`viewer_session_id`);
--> statement-breakpoint
ALTER TABLE `audit_log`
	ADD COLUMN `viewer_id` bigint,
	ADD COLUMN `viewer` longtext,
	ADD INDEX `audit_log_viewer` (`viewer_id`, `at`);
--> statement-breakpoint
ALTER TABLE `resource_history`
	ADD COLUMN `viewer_id` bigint;
