{{ config(materialized='view', contract={'enforced': false}) }}

{{ newest_as_of('fct_account_practice') }}
