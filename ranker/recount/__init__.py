"""The log counted a second time, by the published definitions and as plainly as they can be written down.

It shares no code with what counts: json and dictionaries, one record at a time. `ranker verify` compares both.
"""
