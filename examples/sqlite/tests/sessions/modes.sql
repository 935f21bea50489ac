CREATE TABLE t(a, "b b", c);
INSERT INTO t VALUES (1, NULL, 'x y''"z|,'), (2.5, x'41', 'äöü'), (-7, '', 'two
lines'), (1e300 * 1e300, 0.1, 'tab	here');
.mode list
SELECT * FROM t;
.headers on
SELECT * FROM t;
.mode csv
SELECT * FROM t;
.mode tabs
SELECT * FROM t;
.mode ascii
SELECT * FROM t;
.mode line
SELECT * FROM t;
.mode json
SELECT * FROM t;
.mode quote
SELECT * FROM t;
.mode insert
SELECT * FROM t;
.mode insert my_table
SELECT * FROM t;
.mode insert "a table"
SELECT a FROM t;
.mode html
SELECT * FROM t;
.mode tcl
SELECT * FROM t;
.mode column
SELECT a, "b b" FROM t;
.mode table
SELECT a, "b b" FROM t;
.mode box
SELECT a, "b b" FROM t;
.mode markdown
SELECT a, "b b" FROM t;
.nullvalue NIL
SELECT NULL, 1;
.mode column
.width 5 -7
SELECT 1 a, 2 b, 123456 c;
.headers off
SELECT 1 a, 2 b, 123456 c;
.mode list
.separator ; X
SELECT 1, 2;
SELECT 3 WHERE 0;
