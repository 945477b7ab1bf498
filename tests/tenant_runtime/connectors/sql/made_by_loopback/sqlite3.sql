CREATE TABLE "customer" ("name" TEXT NOT NULL,"email" TEXT,"age" REAL,"score" REAL,"price" REAL,
  "big" REAL,"active" INTEGER,"born" INTEGER,"seen" INTEGER,"profile" TEXT,"tags" TEXT,"any" TEXT,
  "place" TEXT,"notes" TEXT,"the_code" TEXT,"firstname" TEXT,"nullableno" TEXT NOT NULL,"j" TEXT,
  "id" INTEGER NOT NULL PRIMARY KEY);
CREATE INDEX IF NOT EXISTS "customer_name" ON "customer" ("name");
CREATE INDEX IF NOT EXISTS "customer_email" ON "customer" ("email");
CREATE INDEX IF NOT EXISTS "name_age" ON "customer" ("name","age");
CREATE TABLE "pair" ("a" INTEGER NOT NULL, "b" TEXT NOT NULL, "v" TEXT, PRIMARY KEY("a","b"));
CREATE TABLE "orders" ("customerid" REAL, "id" INTEGER NOT NULL PRIMARY KEY);
