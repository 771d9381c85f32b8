"""What can be asked for: models, provider routes and APIs, each with its effect and candidate targets.

Owns names and how they resolve. Whether an agent may use them belongs to `policy/`, in which order targets are tried to `routing/`.
"""
