"""The record in PostgreSQL and S3-compatible storage, over the real ones: PostgreSQL of Debian and SeaweedFS."""
