"""Our logs, put before verifiers that others wrote: aics-tlog (Python), sigstore's and noble's (Node)."""
