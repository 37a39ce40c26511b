ALTER TABLE `resource_comments`
	ADD COLUMN `viewer_id` bigint;
--> statement-breakpoint
ALTER TABLE `stored_files`
	ADD COLUMN `viewer_id` bigint;
