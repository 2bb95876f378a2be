"""One folder for each capability; none imports another."""
