"""The types of token, one file each: claims, signing input and checks."""
