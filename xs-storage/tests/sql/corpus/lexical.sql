# Names, quoted and not
SELECT a, "a", [a], `a`, 'a' FROM t
SELECT "a""b", `a``b`, [a b], 'it''s' FROM t
SELECT é, "é", _x, $a, x$1 FROM t
SELECT abc.def, main.t.a, "main"."t"."a", 't'.a FROM t
SELECT 1 AS 'one', 2 "two", 3 [three], 4 `four`, 5 five
# Unterminated
SELECT 'abc
SELECT "abc
SELECT `abc
SELECT [abc
SELECT 'abc''
SELECT x'ab
SELECT x'a'
SELECT x'zz'
SELECT X'00FF', x''
SELECT 1 /* never closed
SELECT 1 /*
SELECT 1 /**/ + /* a */ 2 -- and to the end
-- nothing but a comment
/* nothing but a comment */
;;;
SELECT 1;;
# Numbers
SELECT 1, 0, 007, 1.5, .5, 5., 1e5, 1E+5, 1e-5, .5e3, 5.e1
SELECT 1_000, 1_0.0_1, 1e1_0, 0x1_f
SELECT 1__0
SELECT 1_
SELECT 1._5
SELECT 1_.5
SELECT 0xFF, 0Xff, 0xFFFFFFFFFFFFFFFF, 0x0000000000000000001
SELECT 9223372036854775807, 9223372036854775808, -9223372036854775808, 99999999999999999999
SELECT 9e999, -9e999, 1e-999
SELECT 1a
SELECT 1.5x
SELECT 0x
SELECT 0xg
SELECT 1e
SELECT 1e+
SELECT 1.2.3
SELECT 1..2
# Parameters
SELECT ?, ?1, :a, @a, $a, $a::b, $a::b(c), :a1_b, ?32766
SELECT ?0
SELECT ?32767
SELECT ?99999999999
SELECT :
SELECT @
SELECT $
SELECT $::
SELECT $a(b
SELECT $a(b c)
SELECT #1
SELECT #
SELECT #a
# Operators and strays
SELECT 1+2-3*4/5%6||7&8|9<<1>>2
SELECT 1=1, 1==1, 1<>1, 1!=1, 1<1, 1<=1, 1>1, 1>=1
SELECT ~1, -1, +1, - -1, -+-1, NOT 1
SELECT '{}'->'a', '{}'->>'a'
SELECT 1 ! 2
SELECT 1 ^ 2
SELECT {1}
SELECT 1 \ 2
SELECT "
SELECT '
SELECT 1 --
SELECT 1 -- a
SELECT ¬1
# Keywords that may be names
SELECT abort, action, after, always, asc FROM k
SELECT key AS key, no no, of of, row row, rows, temp, view FROM k
SELECT abort FROM abort
SELECT like(1,2), glob(1,2), match(1,2), replace(1,2,3), regexp(1,2)
SELECT if(1,2,3)
SELECT left(1,2), right(1), cross, natural FROM k
SELECT a desc FROM t
SELECT a asc, b key FROM t
SELECT a over FROM t
SELECT a filter FROM t
SELECT a window FROM t
SELECT over FROM t
SELECT filter, window FROM t
SELECT sum(a) over FROM t
SELECT sum(a) filter FROM t
SELECT window.a FROM t window
SELECT current, row, range, groups, exclude, ties, others FROM k
SELECT cast FROM t
SELECT raise FROM t
SELECT select FROM t
SELECT index FROM t
SELECT order FROM t
SELECT exists FROM t
SELECT indexed FROM t
SELECT t.indexed, t.left FROM t
SELECT 1 indexed
SELECT 1 left
SELECT 1 AS left, 2 AS indexed
CREATE TABLE if(a)
CREATE TABLE left(right, key, "order", 'x')
CREATE TABLE order(a)
WITH recursive AS (SELECT 1) SELECT * FROM recursive
WITH RECURSIVE recursive AS (SELECT 1) SELECT * FROM recursive
RELEASE savepoint
RELEASE SAVEPOINT savepoint
ATTACH database AS x
