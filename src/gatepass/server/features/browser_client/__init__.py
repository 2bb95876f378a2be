"""The client for browsers: one ES module, which npm puts into the package `clients/js/browser` too."""
