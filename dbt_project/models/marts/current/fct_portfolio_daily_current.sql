{{ newest_as_of('fct_portfolio_daily') }}
