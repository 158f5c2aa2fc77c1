"""The mind: from the account to the risk report."""
