"""The party API, judged from outside."""
