"""Run a flow once for each date of a range, kept in a ledger on disk.

`dates` says which dates, `ledger` remembers what became of each, `work` starts and watches.
"""
