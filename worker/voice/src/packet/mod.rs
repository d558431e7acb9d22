//! The packet layer: how frames become packets on the wire, and back.
