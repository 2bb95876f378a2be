"""The site as a whole: health, discovery, language, look and debugger."""
