"""What stands before every route. Pure ASGI: a request that may pass is handed on as it is, and so is its answer."""
