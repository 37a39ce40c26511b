ALTER TABLE `users` ADD `must_verify_email` integer DEFAULT 0 NOT NULL;
