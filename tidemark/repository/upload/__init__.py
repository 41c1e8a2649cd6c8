"""From a cold folder to packs in the store: every block is read once, and what the parent has is referred to.

::

    commit        the manifest is written: the backup is made
    journal       what a run has stored, for its next attempt
    known_blocks  what need not be stored again
    options       how an upload works
    origin        where the files come from
    packs         packs that are being filled
    read_ahead    neighbouring maps with one request
    upload        every block read once, new ones stored
    windows       files cut into what a thread takes
"""
