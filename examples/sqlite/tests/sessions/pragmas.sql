.headers on
.mode quote
CREATE TABLE t(a INTEGER PRIMARY KEY, b int NOT NULL DEFAULT 5, c varchar ( 10 ) DEFAULT 'x y', d DEFAULT (1 + 2 ),
  e DEFAULT -5, f DEFAULT foo, g DEFAULT "bar", h, i text collate nocase unique,
  j REFERENCES u(x) ON DELETE SET DEFAULT DEFAULT + 7, k default x'00', l default true,
  UNIQUE(b,c) ON CONFLICT REPLACE, CHECK (b > 0 AND c <> "z"), FOREIGN KEY(c,d) REFERENCES u ON UPDATE CASCADE);
CREATE INDEX ib ON t(b DESC, c COLLATE nocase);
CREATE UNIQUE INDEX ic ON t(c);
CREATE TABLE u(x UNIQUE, y, PRIMARY KEY(y,x));
CREATE TABLE w(x UNIQUE, PRIMARY KEY(x));
CREATE VIEW v AS SELECT a, b+1 AS z, c FROM t;
INSERT INTO t(b, c) VALUES (1, 'x'), (2, 'y'), (3, NULL);
INSERT INTO u VALUES (1, 2), (2, 2);
PRAGMA table_info(t);
PRAGMA table_xinfo(t);
PRAGMA main.table_info = u;
PRAGMA table_info(v);
PRAGMA table_info(sqlite_master);
PRAGMA table_info(nope);
PRAGMA table_info;
PRAGMA table_list;
PRAGMA table_list(t);
PRAGMA index_list(t);
PRAGMA index_list(u);
PRAGMA index_list(w);
PRAGMA index_list(v);
PRAGMA index_info(ib);
PRAGMA index_xinfo(ib);
PRAGMA index_xinfo(sqlite_autoindex_u_1);
PRAGMA index_info(nope);
PRAGMA foreign_key_list(t);
PRAGMA foreign_key_list(u);
PRAGMA database_list;
PRAGMA user_version;
PRAGMA user_version=-7;
PRAGMA user_version;
BEGIN;
PRAGMA user_version=8;
PRAGMA user_version;
ROLLBACK;
PRAGMA user_version;
PRAGMA user_version=abc;
PRAGMA user_version;
PRAGMA user_version='12x';
PRAGMA user_version;
PRAGMA application_id=0x10;
PRAGMA application_id;
PRAGMA schema_version;
PRAGMA schema_version=77;
PRAGMA schema_version;
SELECT count(*) FROM t;
PRAGMA page_size;
PRAGMA freelist_count;
PRAGMA encoding;
PRAGMA encoding='utf16';
PRAGMA journal_mode;
PRAGMA journal_mode=truncate;
PRAGMA journal_mode=bogus;
PRAGMA synchronous;
PRAGMA cache_size;
PRAGMA cache_size=500;
PRAGMA cache_size;
PRAGMA foreign_keys;
PRAGMA foreign_keys=0;
PRAGMA integrity_check;
PRAGMA quick_check;
PRAGMA integrity_check(t);
PRAGMA integrity_check(5);
PRAGMA busy_timeout;
PRAGMA busy_timeout=50;
.timeout 70
PRAGMA busy_timeout;
PRAGMA busy_timeout=-50;
PRAGMA nosuch;
PRAGMA nosuch=5;
PRAGMA foo.nosuch;
PRAGMA main.page_size;
PRAGMA wal_checkpoint;
PRAGMA auto_vacuum;
PRAGMA recursive_triggers;
PRAGMA trusted_schema;
PRAGMA case_sensitive_like=0;
PRAGMA optimize;
PRAGMA threads;
PRAGMA query_only;
PRAGMA page_size=1024;
PRAGMA page_size;
BEGIN;
VACUUM INTO 'copy.db';
COMMIT;
VACUUM INTO 5;
VACUUM nope INTO 'copy.db';
VACUUM INTO 'copy.db';
.backup main backup.db
.open copy.db
SELECT a, b, c FROM t ORDER BY b;
SELECT x FROM u WHERE y = 2;
PRAGMA integrity_check;
PRAGMA user_version;
PRAGMA application_id;
.dump
.open backup.db
PRAGMA integrity_check;
.dump
