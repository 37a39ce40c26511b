CREATE TABLE `idempotency_keys` (
	`id` text(64) PRIMARY KEY NOT NULL,
	`fingerprint` text(64) NOT NULL,
	`answer` text,
	`expires_at` integer NOT NULL,
	CONSTRAINT `idempotency_keys_id_length` CHECK(length("id") <= 64),
	CONSTRAINT `idempotency_keys_fingerprint_length` CHECK(length("fingerprint") <= 64)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_expiry` ON `idempotency_keys` (`expires_at`);
