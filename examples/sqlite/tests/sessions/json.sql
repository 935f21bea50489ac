.mode box
CREATE TABLE doc(id INTEGER PRIMARY KEY, body TEXT);
INSERT INTO doc VALUES (1, '{"name":"Ada","tags":["x","y"],"at":{"lat":1.50}}'), (2, '{"name":"Grace","tags":[]}'), (3, NULL);
SELECT id, body ->> 'name' AS name, body -> '$.tags' AS tags, json_extract(body, '$.at.lat') AS lat FROM doc;
.mode json
SELECT d.id, t.key, t.value FROM doc d, json_each(d.body, '$.tags') t;
SELECT d.id, t.value FROM doc d LEFT JOIN json_each(d.body, '$.tags') t;
SELECT json_group_array(json_object('id', id, 'name', body ->> 'name')) AS all_of_them FROM doc;
SELECT fullkey, type, atom FROM doc, json_tree(doc.body) WHERE id = 1;
.mode list
UPDATE doc SET body = json_set(body, '$.tags[#]', 'z', '$.n', id) WHERE body NOT NULL;
SELECT body FROM doc;
SELECT json('{"a":');
SELECT json_extract('[]', 'x');
SELECT * FROM json_each('nope');
SELECT * FROM json_each(1, 2, 3);
SELECT * FROM doc(1);
SELECT value FROM generate_series(1, 10, 3);
SELECT value FROM generate_series(1, 10, -3);
SELECT value, start, stop, step FROM generate_series WHERE start = 3 AND stop = 4;
SELECT * FROM generate_series;
SELECT sum(value) FROM generate_series(1, 100) WHERE value % 2;
SELECT a.value, b.value FROM generate_series(1, 3) a, generate_series(a.value, 3) b;
SELECT name FROM pragma_table_info('doc');
EXPLAIN QUERY PLAN SELECT * FROM json_each('[1]');
EXPLAIN QUERY PLAN SELECT * FROM doc, json_tree(doc.body, '$.tags') AS t;
EXPLAIN QUERY PLAN SELECT * FROM doc LEFT JOIN json_each(body);
EXPLAIN QUERY PLAN SELECT value FROM generate_series(1, 2);
EXPLAIN QUERY PLAN SELECT * FROM pragma_table_info('doc');
EXPLAIN QUERY PLAN SELECT * FROM json_each('[1,2]') j, doc WHERE doc.id = j.value;
SELECT length(datetime('now')), length(CURRENT_TIMESTAMP), date('now') = CURRENT_DATE;
