"""Jellyfin's official Python client (PyPI's jellyfin-apiclient-python) as a judge of jellyfin-sim.

It speaks older paths of the API (`/Users/{id}/Items`) than the TypeScript SDK does, which judges it in
`tests/node/jellyfin_sdk.mjs`; the server still has both.
"""
