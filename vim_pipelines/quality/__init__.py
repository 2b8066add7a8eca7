"""Great Expectations gates on raw rows, before any money is spent on them."""
