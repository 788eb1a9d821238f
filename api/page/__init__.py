"""The page: views rendered on the server from templates, over the same functions of kb as the API."""
