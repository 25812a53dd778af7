"""Schedules: when flows run on a server, who sees to it, and what becomes of a run that was missed.

`book` keeps the schedules that were made here, `place` decides between the server and `azk watch`,
`scheduler` is the part of `azk watch` that starts what is due. How somebody says a time is read by
`azkaban_client.when`.
"""
