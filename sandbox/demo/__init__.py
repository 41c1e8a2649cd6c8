"""``make demo``: the product at work on this machine, from the first backup to restored and compared servers.

stage.py    what is there without Tidemark: primaries that are written to, a Redis
fleet.py    Tidemark's own processes, started as in production
watch.py    what is seen while two cycles go by
screen.py   how it looks
proof.py    every newest backup restored through the command line, started, compared with its primary
show.py     the order of it all
"""
