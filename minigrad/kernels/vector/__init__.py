"""Loops written register by register: the instructions, the registers, the compiled variants."""
