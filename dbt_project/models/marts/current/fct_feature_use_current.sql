{{ newest_as_of('fct_feature_use') }}
