CREATE TABLE "job_versions" (
	"worker" uuid NOT NULL,
	"name" varchar(130) NOT NULL,
	"version" varchar(64) NOT NULL,
	"seen_at" bigint NOT NULL,
	CONSTRAINT "job_versions_pkey" PRIMARY KEY("worker", "name")
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "version" varchar(64);
