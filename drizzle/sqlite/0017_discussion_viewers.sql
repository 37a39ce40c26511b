ALTER TABLE `resource_comments` ADD `viewer_id` integer;
--> statement-breakpoint
ALTER TABLE `stored_files` ADD `viewer_id` integer;
