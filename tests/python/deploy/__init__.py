"""`deploy/` as what applies it sees it: kubectl's own kustomize, Docker Compose's own reader, the real `orb`."""
