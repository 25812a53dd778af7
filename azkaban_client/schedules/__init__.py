"""Schedules: when a flow runs, who sees to it, and what becomes of a run that was missed.

`when` reads how somebody says a time, `book` keeps the schedules
that were made here, `place` decides between the server and `azk watch`, `scheduler` is the part of
`azk watch` that starts what is due.
"""
