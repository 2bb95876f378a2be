const CONFIG = { issuer: "http://localhost:8000", clientId: "cli_…" };
