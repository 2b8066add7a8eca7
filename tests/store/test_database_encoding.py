"""A PostgreSQL that was set up in the C locale, as in a bare container: its databases say SQL_ASCII, and texts must stay texts."""

from __future__ import annotations

import uuid

import psycopg
from sqlalchemy import text
from stores import settings_for

from vim_pipelines.store import open_store


def test_texts_are_texts_in_a_database_without_an_encoding(postgres_address, tmp_path):
    name = f"vim_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_address.format(database="postgres"), autocommit=True) as connection:
        connection.execute(f"create database {name} encoding 'SQL_ASCII' template template0 lc_collate 'C' lc_ctype 'C'")
    store = open_store(settings_for(postgres_address.format(database=name), tmp_path))
    try:
        with store.session() as session:
            assert session.scalar(text("show server_encoding")) == "SQL_ASCII"
            session.execute(text("create table names (name text)"))
            session.execute(text("insert into names values (:name)"), {"name": "Zoë Ångström"})
        with store.reading() as session:
            assert session.scalar(text("select name from names")) == "Zoë Ångström"
    finally:
        store.engine.dispose()
        with psycopg.connect(postgres_address.format(database="postgres"), autocommit=True) as connection:
            connection.execute(f"drop database {name} with (force)")
