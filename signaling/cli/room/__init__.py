"""`spaces room`: one Space as an interactive view in the terminal."""
