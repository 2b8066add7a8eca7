-- Runs once, when the server's volume is empty. Beside Dagster's database (POSTGRES_DB) one for decisions.
create database operations;
