"""The client for browsers: one ES module, which is `clients/js/browser` too."""
