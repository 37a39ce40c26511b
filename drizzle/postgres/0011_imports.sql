CREATE TABLE "resource_imports" (
	"id" uuid NOT NULL,
	"plugin" varchar(64) NOT NULL,
	"resource" varchar(63) NOT NULL,
	"job_id" uuid NOT NULL,
	"user_id" bigint,
	"api_key_id" bigint,
	"asked" text NOT NULL,
	"done" integer DEFAULT 0 NOT NULL,
	"outcome" varchar(64),
	"report" text,
	"error" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "resource_imports_pkey" PRIMARY KEY("id"),
	CONSTRAINT "resource_imports_outcome_check" CHECK ("outcome" in ('completed', 'failed', 'cancelled'))
);
--> statement-breakpoint
CREATE TABLE "resource_import_pieces" (
	"import_id" uuid NOT NULL,
	"place" integer NOT NULL,
	"content" text NOT NULL,
	CONSTRAINT "resource_import_pieces_pkey" PRIMARY KEY("import_id", "place")
);
--> statement-breakpoint
CREATE INDEX "resource_imports_created" ON "resource_imports" ("created_at");
--> statement-breakpoint
CREATE INDEX "resource_imports_open" ON "resource_imports" ("ended_at", "user_id");
