CREATE TABLE `number_series` (
	`name` text(255) PRIMARY KEY NOT NULL,
	`last` integer NOT NULL,
	CONSTRAINT `number_series_name_length` CHECK(length("name") <= 255)
);
