"""dbt wiring only; the SQL is in `dbt_project/`."""
