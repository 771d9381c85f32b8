"""Where a call goes: the order of its candidate targets, and when the next one is tried.

Health, breakers and other strategies come later. Sending belongs to `upstreams/`.
"""
