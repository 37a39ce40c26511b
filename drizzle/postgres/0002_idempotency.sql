CREATE TABLE "idempotency_keys" (
	"id" varchar(64) NOT NULL,
	"fingerprint" varchar(64) NOT NULL,
	"answer" text,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY("id")
);
--> statement-breakpoint
CREATE INDEX "idempotency_keys_expiry" ON "idempotency_keys" ("expires_at");
