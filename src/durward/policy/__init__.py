"""What is allowed: rules to a decision with its reason. Deny wins over allow, and where no rule matches the answer is no.

Owns rules and their matching. It does not know wires, upstreams or records; who asks and what for come to it as words of `calls/`.
"""
