CREATE TABLE t(a int, b text);
CREATE INDEX i ON t(a);
CREATE VIEW v AS SELECT a, b AS "c d" FROM t;
create table u_x(z);
CREATE TABLE "quo ted"("a b" primary key);
INSERT INTO t VALUES(1,'it''s'),(2,NULL),(3.5,x'00ff'),(4,'two
lines');
INSERT INTO "quo ted" VALUES('x');
.tables
.tables t%
.schema
.schema t
.schema quo%
.indexes
.indexes t
.dump
.dump u_x
.print hello "a\tb" 'c d'
.changes on
UPDATE t SET b = 1;
SELECT 1;
.changes off
.mode csv
.import rows.csv r
SELECT * FROM r;
.import --skip 1 rows.csv r
.mode list
SELECT count(*) FROM r;
.read more.sql
.output out.txt
SELECT 'to the file';
.output
.once out2.txt
SELECT 'once';
SELECT 'shown';
.mode
.databases
SELECT 'one',
  'statement'
;
SELECT 'go'
go
SELECT 'slash'
/
# a comment of the shell
.quit
SELECT 'never';
