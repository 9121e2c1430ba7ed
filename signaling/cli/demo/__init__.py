"""`spaces demo`: a whole Space on this machine, measured by ear."""
