CREATE INDEX `resource_history_age` ON `resource_history` (`table_name`, `at`);
