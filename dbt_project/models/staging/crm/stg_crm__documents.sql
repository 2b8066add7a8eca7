with versions as (

    {{ latest_versions('documents', 'document_key') }}

),

final as (

    select
        versions.document_key,
        versions.account_key,
        versions.document_kind,
        versions.title,
        versions.body,
        versions.authored_on,
        versions.author_email,
        versions.known_at
    from versions
    where not versions.is_deleted

)

select * from final
