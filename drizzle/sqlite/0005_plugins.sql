CREATE TABLE `plugin_states` (
	`name` text(64) PRIMARY KEY NOT NULL,
	`is_active` integer,
	`settings` text,
	`changed_at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL,
	CONSTRAINT `plugin_states_name_length` CHECK(length("name") <= 64)
);
