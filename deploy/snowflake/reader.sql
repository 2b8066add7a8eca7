-- The role of everybody who reads: BI tools, analysts, the portfolio book. It sees the schema MARTS and nothing else.
-- Once, by an administrator (USERADMIN makes the role, SECURITYADMIN grants), after the pipeline has made its schemas:
--   snow sql -f deploy/snowflake/reader.sql -D database=VIM -D warehouse=BI_WH -D role=VIM_READER
-- Each <% name %> is a variable of the snow command; by hand, put the names in.

create role if not exists <% role %> comment = 'Reads the marts of Value in Motion';

grant usage on warehouse <% warehouse %> to role <% role %>;
grant usage on database <% database %> to role <% role %>;
grant usage on schema <% database %>.marts to role <% role %>;
grant select on all tables in schema <% database %>.marts to role <% role %>;
grant select on all views in schema <% database %>.marts to role <% role %>;

-- The night makes some marts anew (create or replace), which loses a table's own grants: these come back by themselves.
grant select on future tables in schema <% database %>.marts to role <% role %>;
grant select on future views in schema <% database %>.marts to role <% role %>;

-- vimotion publish looks over what the role may do (SNOWFLAKE_READER_ROLE); it needs no right for that beyond seeing the role.
-- A BI tool's user:  create user bi_reader type = service default_role = <% role %> default_warehouse = <% warehouse %>;
--                    grant role <% role %> to user bi_reader;
