ALTER TABLE `users` ADD `language` text;
--> statement-breakpoint
ALTER TABLE `users` ADD `theme` text;
