"""Discord's own end-to-end encryption (libdave, by PyPI's dave.py) as the judge of the project's voice driver.

`member` is a voice client of its own, written from Discord's documentation; `speaker` is the driver as a process;
`test_independent_judge` puts both into one call of the simulated Discord. `sealer` is the driver's encryption alone, to
which `test_pictures` hands pictures. `viewer` watches a Go Live stream of the driver's over WebRTC (by PyPI's aiortc), in
`test_stream`.
"""
