"""Parts that the formats of Kubernetes objects share: identity, pods, secrets and conditions.

A DeploymentConfig keeps the object in `target`: apiVersion, kind, namespace, and the spec without
the values that have a field of their own. A DeploymentStatus keeps the first three in `metadata`.
"""
