ALTER TABLE `resource_history`
	ADD INDEX `resource_history_age` (`table_name`, `at`);
