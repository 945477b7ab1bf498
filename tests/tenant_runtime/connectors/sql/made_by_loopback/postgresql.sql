CREATE TABLE "public"."customer" ("name" TEXT NOT NULL, "email" TEXT, "age" INTEGER,
  "score" DOUBLE PRECISION, "price" DECIMAL(12,3), "big" BIGINT, "active" BOOLEAN DEFAULT true,
  "born" TIMESTAMP WITH TIME ZONE, "seen" TIMESTAMP WITHOUT TIME ZONE, "profile" TEXT, "tags" TEXT,
  "any" TEXT, "place" POINT, "notes" TEXT, "the_code" VARCHAR(8), "firstname" TEXT,
  "nullableno" TEXT NOT NULL, "j" JSONB, "id" SERIAL, PRIMARY KEY("id"));
CREATE INDEX "customer_name_idx" ON "public"."customer" ("name");
CREATE UNIQUE INDEX "customer_email_idx" ON "public"."customer" ("email");
CREATE UNIQUE INDEX "name_age" ON "public"."customer" ("name" ASC, "age" DESC);
CREATE TABLE "public"."pair" ("a" INTEGER NOT NULL, "b" TEXT NOT NULL, "v" TEXT, PRIMARY KEY("a","b"));
CREATE TABLE "public"."orders" ("customerid" INTEGER, "id" SERIAL, PRIMARY KEY("id"));
ALTER TABLE "public"."orders" ADD CONSTRAINT "fk_order" FOREIGN KEY ("customerid") REFERENCES "public"."customer"(id);
