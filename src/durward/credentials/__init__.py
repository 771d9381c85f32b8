"""What the gate presents upstream: secret references resolved, bound to the origin they are meant for.

Agents never see a credential, and no credential travels to another origin. Exchange and rotation come later.
"""
