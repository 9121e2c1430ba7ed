"""Drives other audio servers, so that they and spacecore do the same work in the same run."""
