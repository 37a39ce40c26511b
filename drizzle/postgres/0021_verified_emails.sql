ALTER TABLE "users" ADD COLUMN "must_verify_email" boolean DEFAULT false NOT NULL;
