"""`orb`'s commands as people type them: the doctor with each thing missing in turn, and a real terminal."""
