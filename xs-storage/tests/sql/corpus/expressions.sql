# Precedence
SELECT a OR b AND c, a AND b OR c, NOT a AND b, NOT a = b, NOT a OR b FROM t
SELECT a = b < c, a < b = c, a < b < c, a = b = c, a IS b = c, a IS NOT b = c FROM t
SELECT a + b * c, a * b + c, a - b - c, a / b / c, a << b + c, a & b | c, a || b * c, a * b || c FROM t
SELECT -a * b, -a || b, ~a + b, -a COLLATE nocase, a || b COLLATE nocase, -a -> b FROM t
SELECT a = NOT b, a + NOT b = c, a AND NOT b = c, a = NOT b = c AND a FROM t
SELECT a -> b ->> c || a, a || b -> c FROM t
# NULL and IS
SELECT a ISNULL, a NOTNULL, a NOT NULL, a IS NULL, a IS NOT NULL, NOT a NOT NULL FROM t
SELECT a = b NOT NULL, a + b ISNULL, a AND b NOT NULL, a ISNULL ISNULL FROM t
SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b, a IS NOT b, a IS b IS c FROM t
SELECT a IS NOT DISTINCT b FROM t
SELECT a IS FROM t
SELECT a NOT b FROM t
SELECT a NOT FROM t
SELECT a NOT ISNULL FROM t
SELECT a IS TRUE, a IS NOT FALSE, true, "true" FROM t
# LIKE and its relatives
SELECT a LIKE b, a NOT LIKE b, a GLOB b, a LIKE b ESCAPE '\', a NOT GLOB b ESCAPE c FROM t
SELECT a LIKE b LIKE c, a LIKE b = c, a = b LIKE c, a LIKE b < c, NOT a LIKE b, a + b LIKE c || a FROM t
SELECT a LIKE b ESCAPE c ESCAPE a FROM t
SELECT a = b ESCAPE c FROM t
SELECT a LIKE b < c ESCAPE '+' FROM t
SELECT a LIKE FROM t
SELECT a NOT LIKE FROM t
# BETWEEN
SELECT a BETWEEN b AND c, a NOT BETWEEN b AND c, a BETWEEN b AND c AND a, a BETWEEN b AND c OR a FROM t
SELECT a BETWEEN b + 1 AND c + 1 = 2, a BETWEEN b AND c BETWEEN 1 AND 2 FROM t
SELECT a BETWEEN b BETWEEN 1 AND 2 AND c FROM t
SELECT a BETWEEN b OR c AND 1 FROM t
SELECT a BETWEEN b OR c AND 1 AND 2 FROM t
SELECT a BETWEEN NOT b AND c FROM t
SELECT a BETWEEN (b AND c) AND 2 FROM t
SELECT a BETWEEN b AND NOT c AND a FROM t
SELECT a BETWEEN 1 OR 2 FROM t
SELECT a BETWEEN b FROM t
SELECT a = b BETWEEN 1 AND 2, a < b BETWEEN 1 AND 2 FROM t
# IN
SELECT a IN (1, 2), a NOT IN (1), a IN (), a IN (SELECT 1), a IN (VALUES(1),(2)), a IN (WITH x AS (SELECT 1) SELECT * FROM x) FROM t
SELECT a IN t, a IN main.t, a IN pragma_table_info('t'), a NOT IN t, a IN 't' FROM t
SELECT a IN (1,) FROM t
SELECT a IN 1 FROM t
SELECT a IN (SELECT 1, FROM t
SELECT (a, b) IN (SELECT 1, 2), (a, b) IN ((1, 2), (3, 4)), (a,b) = (1,2) FROM t
SELECT a IN (1) IN (2), NOT a IN (1), a = b IN (1) FROM t
# Calls
SELECT count(*), count(a), count(DISTINCT a), count(ALL a), max(a, b), f(), sum(a ORDER BY b DESC, c) FROM t
SELECT group_concat(a, ',' ORDER BY b) FILTER (WHERE c) FROM t
SELECT count(DISTINCT), count(ORDER BY a) FROM t
SELECT count(*, a) FROM t
SELECT count(a, *) FROM t
SELECT count(a,) FROM t
SELECT count(DISTINCT *) FROM t
SELECT count( FROM t
SELECT t.count(a) FROM t
SELECT 'count'(a) FROM t
SELECT "count"(a), [count](a), `count`(a) FROM t
SELECT sum(a) FILTER (WHERE b > 0), sum(a) FILTER (b) FROM t
SELECT sum(a) FILTER (WHERE b) OVER (), sum(a) OVER () FILTER (WHERE b) FROM t
# CASE, CAST, EXISTS, RAISE
SELECT CASE WHEN a THEN b END, CASE a WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE 5 END, CASE WHEN a THEN CASE WHEN b THEN c END ELSE c END FROM t
SELECT CASE END FROM t
SELECT CASE a END FROM t
SELECT CASE a ELSE 1 END FROM t
SELECT CASE WHEN a END FROM t
SELECT CASE WHEN a THEN b ELSE c FROM t
SELECT CAST(a AS INT), CAST(a AS VARCHAR(10)), CAST(a AS DECIMAL(10, -2)), CAST(a AS unsigned big int), CAST(a AS), CAST(a AS 'x') FROM t
SELECT CAST(a INT) FROM t
SELECT CAST(a AS INT(1,2,3)) FROM t
SELECT CAST(a AS INT(x)) FROM t
SELECT EXISTS (SELECT 1), NOT EXISTS (SELECT 1), EXISTS (VALUES (1)) FROM t
SELECT EXISTS 1
SELECT EXISTS (1)
SELECT RAISE(IGNORE)
SELECT RAISE(ABORT, 'no')
SELECT RAISE(REPLACE, 'no')
SELECT RAISE(ABORT)
# Parentheses and rows
SELECT (a), ((a)), (a, b) = (1, 2), (SELECT a), ((SELECT a)), (VALUES (1)) FROM t
SELECT ()
SELECT (a,)
SELECT (,a)
SELECT (a b)
SELECT ((a)
SELECT (a))
SELECT (with)
SELECT (SELECT)
# Collations and names
SELECT a COLLATE nocase, a COLLATE "nocase", a COLLATE 'nocase', a COLLATE nocase COLLATE binary FROM t
SELECT a COLLATE FROM t
SELECT a COLLATE 1 FROM t
SELECT a COLLATE left FROM t
SELECT t. FROM t
SELECT .a FROM t
SELECT main.t.a.b FROM t
SELECT t.1 FROM t
SELECT current_date, current_time, current_timestamp
SELECT current_date()
SELECT NULL.a
