CREATE TABLE "stored_files" (
	"id" uuid NOT NULL,
	"plugin" varchar(64) NOT NULL,
	"key" varchar(255),
	"table_name" varchar(64),
	"column_name" varchar(64),
	"row_key" varchar(255),
	"name" varchar(255) NOT NULL,
	"type" varchar(255) NOT NULL,
	"size" bigint NOT NULL,
	"hash" varchar(64) NOT NULL,
	"created_by" bigint,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	CONSTRAINT "stored_files_pkey" PRIMARY KEY("id"),
	CONSTRAINT "stored_files_key" UNIQUE("plugin", "key")
);
--> statement-breakpoint
CREATE INDEX "stored_files_row" ON "stored_files" ("table_name", "column_name");
--> statement-breakpoint
CREATE INDEX "stored_files_expiry" ON "stored_files" ("expires_at");
