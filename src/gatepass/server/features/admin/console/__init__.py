"""The operators' console: pages over the same acts as the API's and the command line's."""
