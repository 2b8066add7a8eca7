from stores import postgres_address, store_url

__all__ = ["postgres_address", "store_url"]
