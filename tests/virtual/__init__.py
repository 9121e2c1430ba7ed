"""A virtual clock and a virtual network: whole scenarios run without waiting and always in the same way."""
