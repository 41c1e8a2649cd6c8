"""What keeps a repository in order: pruning, mirrors, keys.

::

    key_check  proof that today's master key opens what there is
    mirror     mirrors are brought level with the repository that counts
    prune      backups that no rule asks for go
"""
