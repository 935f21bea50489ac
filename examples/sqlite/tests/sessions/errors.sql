SELECT 1;
SELEC 2;
SELECT 3;
.foo
CREATE TABLE t(a UNIQUE, b NOT NULL);
INSERT INTO t VALUES (1, 1);

  INSERT INTO t VALUES (1, 2);
INSERT INTO t VALUES (2, NULL);
SELECT
  1,
  2 3;
SELECT 'one'; SELECT 'two' two two; SELECT 'three';
.nullvalue
.mode a b c
.headers perhaps
SELECT 4 $;
SELECT * FROM t WHERE a very long statement that goes on and on until its end is far behind the width of a line, nobody knows;
.exit
