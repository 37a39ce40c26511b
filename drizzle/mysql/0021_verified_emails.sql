ALTER TABLE `users`
	ADD COLUMN `must_verify_email` boolean NOT NULL DEFAULT false;
