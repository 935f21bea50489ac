-- Commands over several databases, in files and in memory.
create table m(a);
create temp table tt(a);
create temp view tv as select * from m;
attach 'x.db' as x;
attach ':memory:' as y;
create table x.xt(a primary key, b);
create index x.xi on xt(b);
create view x.xv as select * from xt;
create trigger x.xtr after insert on xt begin select 1; end;
create table y.m(q);
create table "we ird"(a);
attach 'o dd.db' as "o dd";
create table "o dd"."t t"(a);
insert into x.xt values(1,2);
insert into tt values(5);
.tables
.tables x%
.tables %t
.indexes
.indexes xt
.schema
.schema xt
.schema x.%
.schema x.xt
.schema main.m
.schema tt
.schema sqlite_master
.schema nope
.dump
.dump xt
.dump tt
.backup x copy.db
.backup main copy2.db
.backup temp copy3.db
.backup nope copy4.db
.backup y copy5.db
attach 'copy.db' as c;
select * from c.xt;
vacuum x;
vacuum x into 'vx.db';
attach 'vx.db' as v;
select * from v.xt;
vacuum y into 'vx.db';
vacuum temp into 'vt.db';
.save x y.db
