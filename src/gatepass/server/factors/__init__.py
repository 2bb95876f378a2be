"""Second factors: what somebody has besides what they know or read in their mail. A passkey is one as well."""
