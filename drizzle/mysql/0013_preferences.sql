ALTER TABLE `users`
	ADD COLUMN `language` longtext,
	ADD COLUMN `theme` longtext;
